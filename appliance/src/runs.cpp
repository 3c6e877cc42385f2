#include "runs.hpp"

#include <base/log.hpp>

#include "parts.hpp"

namespace sigillo::appliance {
namespace runs {

// Only the last ten matter: where they are all within the window, it is too many.
bool begin(RunsRecord& record, bool gives_up_freshness) {
  const bool left_open = record.open;
  if (left_open) {
    record.unclean.push_back(record.served_ms);
    if (record.unclean.size() > kUncleanMax) record.unclean.erase(record.unclean.begin());
  }
  record.open = gives_up_freshness;
  return left_open;
}

void serve(RunsRecord& record, base::Duration time) {
  record.served_ms += time.ms;
  std::erase_if(record.unclean, [&](std::int64_t at) { return record.served_ms - at >= kWindow.ms; });
}

bool too_many(const RunsRecord& record) {
  return record.unclean.size() >= kUncleanMax;
}

}  // namespace runs

namespace {

constexpr base::Duration kKeepEvery = base::minutes(10);

}  // namespace

Runs::Runs(const Context& context)
    : context_(context),
      counts_(context.config.anchor.mode == AnchorMode::interval && !context.config.allow_weak_policy) {}

sealed_store::Put Runs::put() const {
  return context_.put(Table::runs, Id{}, record_);
}

void Runs::pass_time() {
  const auto now = Steady::now();
  const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(now - since_);
  since_ += passed;
  runs::serve(record_, {passed.count()});
  context_.figures->unclean_stops(record_.unclean.size());
}

// Attack: (1) copy the store, (2) guess for an interval, kill the appliance, put the copy back, (3) again and
// again. What makes (3) end is that a start counts the kill before it, and that this start, with its count,
// is anchored before anything is served: the copy of before it is behind the anchor from then on, and
// refused, and each copy of after it has the count. A start that is killed before its anchor has served
// nothing.
base::Result<void> Runs::begin(sealed_store::Changes& start) {
  const std::lock_guard lock(mutex_);
  SIGILLO_TRY(auto kept, context_.load<RunsRecord>(Table::runs, Id{}));
  if (!kept && !counts_) return base::ok();
  if (kept) record_ = std::move(*kept);
  since_ = Steady::now();
  if (runs::begin(record_, counts_)) {
    auto event = own_event(EventKind::unclean_stop, context_.now());
    event.reference = std::to_string(record_.unclean.size());
    start.events.push_back(std::move(event));
    base::log::warn("unclean-stop", {{"counted", record_.unclean.size()}, {"held_from", runs::kUncleanMax}});
  }
  context_.figures->unclean_stops(record_.unclean.size());
  start.puts.push_back(put());
  start.anchored = true;
  return base::ok();
}

bool Runs::too_many() const {
  const std::lock_guard lock(mutex_);
  return counts_ && runs::too_many(record_);
}

std::size_t Runs::unclean() const {
  const std::lock_guard lock(mutex_);
  return record_.unclean.size();
}

// The mark is an entry of the ledger like any other: a copy of before the stop lacks it, and is counted.
void Runs::end(sealed_store::Changes& stop) {
  const std::lock_guard lock(mutex_);
  if (!record_.open) return;
  pass_time();
  record_.open = false;
  stop.puts.push_back(put());
  stop.anchored = true;
}

base::Result<void> Runs::accept(sealed_store::Event event) {
  const std::lock_guard lock(mutex_);
  auto accepted = record_;
  accepted.unclean.clear();
  std::swap(record_, accepted);
  sealed_store::Changes changes{.events = {std::move(event)}, .puts = {put()}};
  changes.anchored = true;
  const auto committed = base::sync_wait(context_.store.commit(std::move(changes)));
  if (!committed) std::swap(record_, accepted);
  context_.figures->unclean_stops(record_.unclean.size());
  if (!committed) return committed.error();
  return base::ok();
}

void Runs::keep_time() {
  const std::lock_guard lock(mutex_);
  const auto passed = Steady::now() - since_;
  if (!record_.open || record_.unclean.empty() || passed < std::chrono::milliseconds(kKeepEvery.ms)) return;
  pass_time();
  const auto committed = base::sync_wait(context_.store.commit({.puts = {put()}, .witnessed = false}));
  if (!committed) base::log::error("run-time-not-kept", committed.error());
}

}  // namespace sigillo::appliance
