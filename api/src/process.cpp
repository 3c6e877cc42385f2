#include "process.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include <base/log.hpp>
#include <base/secret.hpp>

namespace sigillo::api {
namespace {

sigset_t own_signals() {
  sigset_t out;
  sigemptyset(&out);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&out, signal);
  return out;
}

}  // namespace

Exit exit_of(std::uint16_t error_number) {
  constexpr std::uint16_t kPinFile =
      401;  // appliance::Errc::pin_file: a credential, whoever found it missing
  if (error_number / 100 == 2 || error_number == kPinFile) return Exit::sealed;
  return error_number / 100 == 3 ? Exit::refused : Exit::local;
}

void harden() {
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) base::log::warn("core-dumps-allowed");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) base::log::warn("process-dumpable");
  umask(077);
  std::signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
  }
  if (!base::lock_secret_arena(kSecretArena)) {
    base::log::warn("secrets-not-locked",
                    {{"advice", "raise the memory lock limit (LimitMEMLOCK) to 8 MiB"}});
  }
}

void block_signals() {
  const sigset_t set = own_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

int wait_for_signal(base::Duration at_most) {
  const sigset_t set = own_signals();
  const timespec limit{static_cast<time_t>(at_most.ms / 1000),
                       static_cast<long>(at_most.ms % 1000) * 1'000'000};
  const int signal = sigtimedwait(&set, nullptr, &limit);
  return signal < 0 ? 0 : signal;
}

void leave(Exit code) {
  base::log::flush();
  std::fflush(nullptr);
  _exit(static_cast<int>(code));
}

}  // namespace sigillo::api
