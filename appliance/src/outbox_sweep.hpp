// OutboxSweep: a sealed text that no courier fetched in its time, or that none could deliver, is erased; its
// outcome is kept a while for status. It goes through the queue of one medium once, a part at a time, and
// begins anew when something it passed has expired: a courier that is away leaves a queue of any length. It
// reads on its caller's thread, for the deciders have requests waiting. Thread rule: the housekeeping's.
#pragma once

#include "context.hpp"

namespace sigillo::appliance {

class OutboxSweep {
 public:
  OutboxSweep(const Context& context, Medium medium) : context_(context), medium_(medium) {}

  // The next few of the queue; waits for their commit. True: there are more. A part that the store did not
  // take comes again with the next call.
  bool step();

 private:
  base::Task<std::optional<std::size_t>> slice(base::Instant now);

  const Context& context_;
  const Medium medium_;
  std::optional<sealed_store::DueRecord> passed_;  // up to here everything was looked at
  base::Instant begin_again_ = kNever;             // when the first of what was passed expires
  base::Instant looked_{};

  static constexpr base::Instant kNever{std::numeric_limits<std::int64_t>::max()};
};

}  // namespace sigillo::appliance
