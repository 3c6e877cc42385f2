// OutboxGauge: how many deliveries of one medium wait for their couriers, and since when the first of them
// does, counted along the lists of their queues, some thousands in a second and without reading one; and a
// line in the log where some ended undelivered. Thread rule: the housekeeping's.
#pragma once

#include "context.hpp"

namespace sigillo::appliance {

class OutboxGauge {
 public:
  OutboxGauge(const Context& context, Medium medium) : context_(context), medium_(medium) {}

  void step();

 private:
  void look_for_first(base::Instant now);
  void count(base::Instant now);
  void tell(base::Instant now);

  const Context& context_;
  const Medium medium_;
  std::vector<Queue> ahead_;                       // queues to be counted; the first is under way
  std::optional<sealed_store::DueRecord> passed_;  // up to here they are in `counted_`
  std::size_t counted_ = 0;
  Figures::Deliveries told_;
  base::Instant tell_again_{};
};

}  // namespace sigillo::appliance
