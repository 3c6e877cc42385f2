// The libraries' end of the control: which rule strikes this call, with hangs and kills already done. Thread
// rule: any thread. Without a control file nothing ever strikes.
#pragma once

#include <chrono>

#include "control.hpp"

namespace sigillo::fault {

// The block of SIGILLO_FAULT_CONTROL, mapped once; a private one where there is none.
Block& block();

// A named call of a library: its counter in the block.
class CallPoint {
 public:
  CallPoint(const char* name, bool framing = false);
  const char* name() const { return name_; }

  struct Verdict {
    Action action = Action::none;  // fail, fail_after, kill_after, tear, tear_and_kill, or none
    std::uint64_t code = 0;
  };
  // Counts the call, finds the first rule that strikes it, hangs or ends the process where that is asked.
  Verdict strike() const;

 private:
  bool matches(const Rule& rule) const;
  const char* name_;
  bool framing_;  // C_Initialize and C_Finalize: meant by their name, or by every call, but not by "C_"
  std::atomic<std::uint64_t>* calls_;
};

[[noreturn]] void die();                                      // SIGKILL to the own process
void wait_until(std::chrono::steady_clock::time_point when);  // to the microsecond, as far as the machine can
void pause_us(std::uint64_t us);  // what a device's latency, a hang, and waiting across processes are made of

}  // namespace sigillo::fault
