#include "outbox_gauge.hpp"

#include <base/log.hpp>

namespace sigillo::appliance {
namespace {

constexpr std::size_t kPage = 2000;
constexpr base::Duration kQuiet = base::minutes(1);  // after a line in the log

}  // namespace

void OutboxGauge::step() {
  const auto now = context_.now();
  count(now);
  tell(now);
}

void OutboxGauge::look_for_first(base::Instant now) {
  auto& figures = *context_.figures;
  // One that cannot be read has an alarm of its own, and no courier makes it go.
  const auto known = [&](const auto& record) { return figures.known_unreadable(record.key); };
  std::optional<base::Instant> first;
  for (const Queue queue : ahead_) {
    const auto due = context_.store.due(static_cast<std::uint8_t>(queue), now, kPage);
    if (!due) return;
    const auto oldest = std::ranges::find_if_not(*due, known);
    if (oldest != due->end()) first = std::min(first.value_or(oldest->due), oldest->due);
  }
  figures.waits_since(medium_, first);
}

void OutboxGauge::count(base::Instant now) {
  auto& figures = *context_.figures;
  if (ahead_.empty()) {
    ahead_ = context_.channels.outboxes(medium_);
    counted_ = 0;
    look_for_first(now);
  }
  for (std::size_t room = kPage; room > 0 && !ahead_.empty();) {
    const auto due = context_.store.due(static_cast<std::uint8_t>(ahead_.front()), now, room, passed_);
    if (!due) return;
    counted_ += due->size();
    const bool end = due->size() < room;
    room -= due->size();
    passed_ = end ? std::optional<sealed_store::DueRecord>() : due->back();
    if (end) ahead_.erase(ahead_.begin());
  }
  if (ahead_.empty() || counted_ > figures.waiting(medium_)) figures.waiting(medium_, counted_);
}

// A queue of any length may expire at once: one line a minute says how many.
void OutboxGauge::tell(base::Instant now) {
  const auto seen = context_.figures->deliveries(medium_);
  if (now < tell_again_ || (seen.expired == told_.expired && seen.failed == told_.failed)) return;
  base::log::warn("deliveries-given-up", {{"medium", name(medium_)},
                                          {"expired", seen.expired - told_.expired},
                                          {"failed", seen.failed - told_.failed}});
  told_ = seen;
  tell_again_ = now + kQuiet;
}

}  // namespace sigillo::appliance
