#include <channels/stop.hpp>

#include <cerrno>
#include <csignal>
#include <ctime>

namespace sigillo::channels {
namespace {

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

Stop::Stop() {
  const sigset_t set = ending_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

bool Stop::requested() {
  return wait({0});
}

bool Stop::wait(base::Duration duration) {
  const sigset_t set = ending_signals();
  timespec left{};
  left.tv_sec = duration.ms / 1000;
  left.tv_nsec = (duration.ms % 1000) * 1'000'000;
  // An EINTR (a debugger, a continued process) only shortens the wait.
  if (!requested_) requested_ = sigtimedwait(&set, nullptr, &left) > 0;
  return requested_;
}

}  // namespace sigillo::channels
