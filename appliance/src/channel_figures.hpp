// ChannelFigures: what one channel's requests came to since the appliance opened. A channel has them for as
// long as the registry knows it, whatever officers change of it. Thread rule: any thread. An outcome costs
// one atomic addition.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include <appliance/ledger_events.hpp>

namespace sigillo::appliance {

class Outcomes {
 public:
  static constexpr std::size_t kKinds = 16;
  void add(EventOutcome outcome) {
    counts_[static_cast<std::size_t>(outcome)].fetch_add(1, std::memory_order_relaxed);
  }
  std::uint64_t of(EventOutcome outcome) const {
    return counts_[static_cast<std::size_t>(outcome)].load(std::memory_order_relaxed);
  }
  // Those whose secret was compared: all but who was turned away by a counter.
  std::uint64_t evaluated() const;

 private:
  std::array<std::atomic<std::uint64_t>, kKinds> counts_{};
};

struct ChannelFigures {
  Outcomes outcomes;
};

}  // namespace sigillo::appliance
