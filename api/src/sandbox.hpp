// What the process gives up once it serves, and what it tells its supervisor. Thread rule: main thread.
#pragma once

#include <optional>
#include <string>

#include <base/clock.hpp>

namespace sigillo::api {

// From here on no thread of the process can start a program, trace, mount, load kernel code, change who it is
// or its namespaces: a seccomp filter over all threads, on top of whatever the unit forbids. Module, keys and
// store are open by then; what a module does in normal operation is left to it. Warns where the kernel
// refuses. It is a list of what is forbidden and not of what is allowed: a vendor's module decides that, and
// the unit's own SystemCallFilter is where such a list belongs. Files are the unit's matter too
// (ProtectSystem=strict).
void give_up_privileges();

// One datagram to $NOTIFY_SOCKET, as sd_notify(3) describes it; nothing where there is none. Never fails.
void tell_supervisor(const std::string& state);  // "READY=1", "RELOADING=1", "STOPPING=1", "WATCHDOG=1"
// How often a supervisor with a watchdog wants to hear from us: half of its patience. Nothing where it has
// none.
std::optional<base::Duration> heartbeat();

}  // namespace sigillo::api
