// Stop: SIGTERM and SIGINT as a question that can be asked and waited on. The signals are blocked and taken
// with sigtimedwait, so there is no handler, and a wait ends at the moment the signal comes. Owner: main.
// Thread rule: made before any other thread (which inherits the mask); asked on one thread. Never: a message
// is cut in the middle because of it; callers ask between messages.
#pragma once

#include <base/clock.hpp>

namespace sigillo::channels {

class Stop {
 public:
  Stop();
  Stop(const Stop&) = delete;
  Stop& operator=(const Stop&) = delete;

  bool requested();
  // True where the process was told to end before the time was over.
  bool wait(base::Duration duration);

 private:
  bool requested_ = false;
};

}  // namespace sigillo::channels
