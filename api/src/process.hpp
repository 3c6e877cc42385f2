// The process around the server: hardened before anything secret is read, and ended without destructors that
// crash. Thread rule: main thread; harden() before any other thread.
#pragma once

#include <csignal>
#include <cstdint>

#include <base/clock.hpp>

namespace sigillo::api {

// What systemd and an operator can tell apart: 2 and 3 need a person, restarting does not help
// (docs/OPERATIONS.md, Exit codes).
enum class Exit : int {
  good = 0,
  local = 1,   // arguments, configuration, certificate files, a port that is taken
  sealed = 2,  // the HSM, its token PIN or its keys
  refused = 3  // the store: rolled back, altered, of another token, of a later version
};
Exit exit_of(std::uint16_t error_number);  // base::Error::number()

inline constexpr std::size_t kSecretArena = 4 * 1024 * 1024;

// No core dump, no ptrace or /proc/self/mem by the same user, files for the owner alone, a peer that goes
// away is an error code and not a signal, as many descriptors as the limits allow; the locked arena. Warns
// where one is not granted.
void harden();

// The signals of wait_for_signal(), blocked here so that every thread to come inherits it.
void block_signals();
// SIGTERM, SIGINT or SIGHUP; 0 where none came in that time.
int wait_for_signal(base::Duration at_most);

// Flushes and ends without destructors: those of SoftHSM2 and OpenSSL meet each other at exit and crash.
[[noreturn]] void leave(Exit code);

}  // namespace sigillo::api
