// Ageing: counters that the rules let end with time leave memory, for subjects that exist and for those that
// do not, by the same look, which also counts those that are at their limit. It decides nothing:
// guard::aged() is what every reader sees anyway, whether a row is still there or not. Thread rule: the
// housekeeping's.
#pragma once

#include "context.hpp"

namespace sigillo::appliance {

class Ageing {
 public:
  explicit Ageing(const Context& context) : context_(context) {}

  // The next part of the counters: some thousandth of them, and not more changes than a second bears. False
  // where the store did not serve. It looks on its caller's thread and waits for its commits.
  bool step();

 private:
  base::Task<bool> end(sealed_store::GuardKey key);

  const Context& context_;
  std::uint16_t block_ = 0;   // the next to look at; after the last comes the first
  Figures::Locked locked_{};  // in the blocks before it
};

}  // namespace sigillo::appliance
