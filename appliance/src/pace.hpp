// Pace: when something is next to be done that is done again and again, by a clock that nobody sets. Of the
// machine's clock it would stand still: (1) the clock goes a year ahead, (2) the next time is set, (3) it
// goes back, and for a year no checkpoint leaves the host. Thread rule: one thread.
#pragma once

#include <chrono>

#include <base/clock.hpp>

namespace sigillo::appliance {

class Pace {
 public:
  bool due() const { return Steady::now() >= next_; }  // at once, until the first rest()
  void rest(base::Duration time) { next_ = Steady::now() + std::chrono::milliseconds(time.ms); }

 private:
  using Steady = std::chrono::steady_clock;
  Steady::time_point next_ = Steady::time_point::min();
};

}  // namespace sigillo::appliance
