// OutboxSweep: a sealed text that no courier fetched in its time, or that none could deliver, is erased; its
// outcome is kept a while for status. So is one that is sealed to a courier that was revoked, and one that
// stands in another's queue, as all of a medium once did, is moved to its own. It goes through the queues of
// one medium once, a part of each at a time, and begins one anew when something it passed has expired: a
// courier that is away leaves a queue of any length. It reads on its caller's thread, for the deciders have
// requests waiting. Thread rule: the housekeeping's.
#pragma once

#include <map>

#include "context.hpp"

namespace sigillo::appliance {

class OutboxSweep {
 public:
  OutboxSweep(const Context& context, Medium medium) : context_(context), medium_(medium) {}

  // The next few of each queue; waits for their commit. True: there are more. A part that the store did not
  // take comes again with the next call.
  bool step();

 private:
  static constexpr base::Instant kNever{std::numeric_limits<std::int64_t>::max()};
  struct Look {
    std::optional<sealed_store::DueRecord> passed;  // up to here everything was looked at
    base::Instant begin_again = kNever;             // when the first of what was passed expires
  };
  using Couriers = std::vector<ChannelPtr>;
  bool step(Queue queue, Look& look, const Couriers& couriers, base::Instant now);
  base::Task<std::optional<std::size_t>> slice(Queue queue, Look& look, const Couriers& couriers,
                                               base::Instant now);

  const Context& context_;
  const Medium medium_;
  std::map<Queue, Look> looks_;
  std::ptrdiff_t revoked_ = 0;  // couriers
  base::Instant looked_{};
};

}  // namespace sigillo::appliance
