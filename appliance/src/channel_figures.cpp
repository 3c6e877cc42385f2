#include "channel_figures.hpp"

namespace sigillo::appliance {

std::uint64_t Outcomes::evaluated() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kKinds; ++i) {
    const auto outcome = static_cast<EventOutcome>(i);
    if (outcome != EventOutcome::delayed && outcome != EventOutcome::locked) sum += of(outcome);
  }
  return sum;
}

}  // namespace sigillo::appliance
