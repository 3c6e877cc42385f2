// The name of a thread, for whoever looks at the process from outside: top, perf, a core's backtrace, and the
// bench's table of where a verification's time goes. At most 15 characters. Thread rule: it names the thread
// that calls it. Never: anything of a request in it.
#pragma once

#include <pthread.h>
#include <sys/resource.h>

namespace sigillo::base {

inline void name_thread(const char* name) {
  ::pthread_setname_np(::pthread_self(), name);
}

// One that nobody waits for: where the cores are busy it has a tenth of what the others have.
inline void name_background_thread(const char* name) {
  name_thread(name);
  static_cast<void>(::setpriority(PRIO_PROCESS, 0, 10));  // Linux: of the calling thread alone
}

// One whose few microseconds keep something dear waiting, such as a session of a network HSM: it comes first
// where this process may say so (root, CAP_SYS_NICE, RLIMIT_NICE), and in turn like all others where it may
// not.
inline void name_foremost_thread(const char* name) {
  name_thread(name);
  static_cast<void>(::setpriority(PRIO_PROCESS, 0, -10));
}

}  // namespace sigillo::base
