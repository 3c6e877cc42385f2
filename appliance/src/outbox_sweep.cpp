#include "outbox_sweep.hpp"

#include <base/log.hpp>

#include "outbox.hpp"

namespace sigillo::appliance {
namespace {

// Read under the turn of its medium: a courier waits for so many at most.
constexpr std::size_t kSlice = 8;
constexpr base::Duration kAgain = base::seconds(60);  // what could not be read

}  // namespace

bool OutboxSweep::step() {
  const auto now = context_.now();
  if (now < looked_) passed_.reset();  // the clock was set back, and what came since stands before `passed_`
  looked_ = now;
  const auto seen = base::sync_wait(slice(now));
  if (!seen) return false;
  if (*seen == kSlice) return true;
  if (now < begin_again_) return false;
  begin_again_ = kNever;
  passed_.reset();
  return true;
}

// How many it looked at; fewer than kSlice are the end of the queue.
base::Task<std::optional<std::size_t>> OutboxSweep::slice(base::Instant now) {
  const auto turn = co_await context_.queue.enter(outbox_turn(medium_));
  const auto due = context_.store.due(static_cast<std::uint8_t>(medium_), now, kSlice, passed_);
  if (!due) co_return std::nullopt;
  sealed_store::Changes changes;
  Figures::Deliveries ended;
  for (const auto& hint : *due) {
    auto found = context_.load<DeliveryRecord>(Table::delivery, hint.key.id);
    if (!found) {
      if (of_one_part(found.error())) context_.figures->unreadable(hint.key, found.error());
      begin_again_ = std::min(begin_again_, now + kAgain);
    }
    if (!found || !*found) continue;
    if (!give_up(context_, changes, hint.key.id, **found, now, ended))
      begin_again_ = std::min(begin_again_, (*found)->expires);
  }
  if (!changes.puts.empty()) {
    changes.witnessed = false;
    const auto committed = co_await context_.store.commit(std::move(changes));
    if (!committed) {
      base::log::error("housekeeping-failed", committed.error());
      co_return std::nullopt;
    }
    context_.figures->deliveries(medium_, ended);
  }
  if (!due->empty()) passed_ = due->back();
  co_return due->size();
}

}  // namespace sigillo::appliance
