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
  const auto couriers = context_.channels.couriers(medium_);
  const auto revoked = std::ranges::count(couriers, ChannelStatus::revoked, &Channel::status);
  // The clock was set back, and what came since stands before what was passed; or a courier was revoked, and
  // what is sealed to it was passed.
  if (now < looked_ || revoked != revoked_) looks_.clear();
  looked_ = now;
  revoked_ = revoked;
  bool more = false;
  for (const Queue queue : context_.channels.outboxes(medium_))
    if (step(queue, looks_[queue], couriers, now)) more = true;
  return more;
}

bool OutboxSweep::step(Queue queue, Look& look, const Couriers& couriers, base::Instant now) {
  const auto seen = base::sync_wait(slice(queue, look, couriers, now));
  if (!seen) return false;
  if (*seen == kSlice) return true;
  // What was sealed while its courier was being revoked may stand before what was passed.
  const bool gone = std::ranges::any_of(couriers, [queue](const ChannelPtr& one) {
    return one->status == ChannelStatus::revoked && outbox_of(*one) == queue;
  });
  if (now < look.begin_again && !gone) return false;
  look = {};
  return !gone;
}

// How many it looked at; fewer than kSlice are the end of the queue.
base::Task<std::optional<std::size_t>> OutboxSweep::slice(Queue queue, Look& look, const Couriers& couriers,
                                                          base::Instant now) {
  const auto turn = co_await context_.queue.enter(outbox_turn(medium_));
  const auto due = context_.store.due(static_cast<std::uint8_t>(queue), now, kSlice, look.passed);
  if (!due) co_return std::nullopt;
  sealed_store::Changes changes;
  Figures::Deliveries ended;
  for (const auto& hint : *due) {
    auto found = context_.load<DeliveryRecord>(Table::delivery, hint.key.id);
    if (!found) {
      if (of_one_part(found.error())) context_.figures->unreadable(hint.key, found.error());
      look.begin_again = std::min(look.begin_again, now + kAgain);
    }
    if (!found || !*found) continue;
    auto& record = **found;
    const auto courier = recipient(couriers, record);
    if (give_up(context_, changes, hint.key.id, record, courier, now, ended)) continue;
    look.begin_again = std::min(look.begin_again, record.expires);
    if (!courier || outbox_of(*courier) == queue || !is_open(record.state)) continue;
    record.courier.value = courier->label();
    changes.puts.push_back(context_.put(Table::delivery, hint.key.id, record, outbox_of(*courier), hint.due));
    auto& there = looks_[outbox_of(*courier)];  // it may stand before what was passed there
    there.begin_again = std::min(there.begin_again, record.expires);
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
  if (!due->empty()) look.passed = due->back();
  co_return due->size();
}

}  // namespace sigillo::appliance
