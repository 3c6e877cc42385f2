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

void OutboxGauge::count(base::Instant now) {
  const auto due = context_.store.due(static_cast<std::uint8_t>(medium_), now, kPage, passed_);
  if (!due) return;
  auto& figures = *context_.figures;
  if (!passed_) {
    // One that cannot be read has an alarm of its own, and no courier makes it go.
    const auto known = [&](const auto& record) { return figures.known_unreadable(record.key); };
    const auto first = std::ranges::find_if_not(*due, known);
    figures.waits_since(medium_, first == due->end() ? std::optional<base::Instant>() : first->due);
  }
  counted_ += due->size();
  const bool end = due->size() < kPage;
  if (end || counted_ > figures.waiting(medium_)) figures.waiting(medium_, counted_);
  passed_ = end ? std::optional<sealed_store::DueRecord>() : due->back();
  if (end) counted_ = 0;
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
