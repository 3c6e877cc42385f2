#include "fresh_queues.hpp"

#include <limits>

#include <base/log.hpp>

namespace sigillo::sealed_store {
namespace {

constexpr int kQueueShift = 24;
constexpr int kTimeBits = 43;  // of milliseconds: until the year 2248
constexpr int kTimeShift = 27;
constexpr int kNumberShift = 55;
constexpr FreshQueues::Part kNumbers = 1u << (kTimeBits - kTimeShift);
constexpr FreshQueues::Part kPartMask = (1u << kQueueShift) - 1;

FreshQueues::Part part_within(std::int64_t due_ms) {
  if (due_ms < 0) return 0;
  const auto due = static_cast<std::uint64_t>(due_ms);
  if (due >> kTimeBits == 0) return static_cast<FreshQueues::Part>(due >> kTimeShift);
  return kNumbers + static_cast<FreshQueues::Part>(due >> kNumberShift);
}

}  // namespace

FreshQueues::Part FreshQueues::part_of(std::uint8_t queue, std::int64_t due_ms) {
  return Part{queue} << kQueueShift | part_within(due_ms);
}

FreshQueues::Range FreshQueues::range_of(Part part) {
  const auto within = std::int64_t{part & kPartMask};
  const bool time = within < kNumbers;
  const auto shift = time ? kTimeShift : kNumberShift;
  const auto at = time ? within : within - kNumbers;
  Range out{static_cast<std::uint8_t>(part >> kQueueShift), at << shift,
            (at << shift) + ((std::int64_t{1} << shift) - 1)};
  if (within == 0) out.first = std::numeric_limits<std::int64_t>::min();
  if (within == kNumbers) out.first = std::int64_t{1} << kTimeBits;
  return out;
}

Lanes FreshQueues::at(Part part) const {
  const auto found = parts_.find(part);
  return found == parts_.end() ? Lanes{} : found->second;
}

Lanes FreshQueues::sum(std::uint8_t queue) const {
  Lanes out;
  const auto first = Part{queue} << kQueueShift;
  for (auto at = parts_.lower_bound(first); at != parts_.end() && at->first <= (first | kPartMask); ++at)
    out += at->second;
  return out;
}

std::vector<FreshQueues::Part> FreshQueues::parts() const {
  std::vector<Part> out;
  out.reserve(parts_.size());
  for (const auto& [part, set] : parts_) out.push_back(part);
  return out;
}

void FreshQueues::replace(Part part, const Lanes& set) {
  if (set.zero()) {
    parts_.erase(part);
  } else {
    parts_[part] = set;
  }
  dirty_.insert(part);
}

void FreshQueues::loaded(const Prf& prf) {
  total_ = {};
  for (const auto& [part, set] : parts_) total_ += prf.queue_part(part, set);
}

void FreshQueues::alarm(Part part) {
  if (!alarmed_.insert(part).second) return;
  base::log::error("store.stale", {{"queue", part >> kQueueShift}});
}

}  // namespace sigillo::sealed_store
