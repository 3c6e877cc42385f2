#include "figures.hpp"

#include <algorithm>
#include <cstdlib>

#include <base/log.hpp>

namespace sigillo::appliance {
namespace {

constexpr std::size_t kUnreadableMax = 1000;  // and by then somebody has been told
constexpr const char* kSteps[] = {"charge", "anchor", "evaluate", "settle"};

constexpr Medium kCouriers[] = {Medium::sms, Medium::email, Medium::pec, Medium::post};

std::vector<std::uint64_t> list(const base::Histogram& histogram) {
  const auto counts = histogram.counts();
  return {counts.begin(), counts.end()};
}

}  // namespace

const char* name(Alarm alarm) {
  switch (alarm) {
    case Alarm::counters_full:
      return "counters-full";
    case Alarm::shared_contact:
      return "shared-contact";
    case Alarm::existence_told:
      return "existence-told";
    case Alarm::ledger_altered:
      return "ledger-altered";
    case Alarm::record_unreadable:
      return "record-unreadable";
    case Alarm::spray:
      return "spray";
  }
  std::abort();
}

void Figures::alarm(Alarm alarm, std::string_view channel) {
  add(alarms_[static_cast<std::size_t>(alarm)]);
  base::log::warn("alarm", {{"kind", name(alarm)}, {"channel", channel}});
}

void Figures::ledger_altered(std::uint64_t seq) {
  add(alarms_[static_cast<std::size_t>(Alarm::ledger_altered)]);
  base::log::error("alarm", {{"kind", name(Alarm::ledger_altered)}, {"seq", seq}});
}

void Figures::spray(std::string_view channel, const SprayWatch::Window& seen) {
  add(alarms_[static_cast<std::size_t>(Alarm::spray)]);
  base::log::warn(
      "alarm",
      {{"kind", name(Alarm::spray)}, {"channel", channel}, {"misses", seen.standing}, {"right", seen.right}});
}

void Figures::unreadable(const sealed_store::RecordKey& key, const base::Error& cause) {
  {
    const std::lock_guard lock(mutex_);
    if (unreadable_.size() >= kUnreadableMax || !unreadable_.insert(key).second) return;
  }
  add(alarms_[static_cast<std::size_t>(Alarm::record_unreadable)]);
  base::log::error("alarm", {{"kind", name(Alarm::record_unreadable)},
                             {"table", key.table},
                             {"bucket", base::read_be<std::uint16_t>(key.id)},
                             {"number", cause.number()}});
}

bool Figures::known_unreadable(const sealed_store::RecordKey& key) const {
  const std::lock_guard lock(mutex_);
  return unreadable_.contains(key);
}

void Figures::deliveries(Medium medium, const Deliveries& more) {
  auto& all = courier(medium);
  all.delivered += more.delivered;
  all.failed += more.failed;
  all.expired += more.expired;
  all.lapsed += more.lapsed;
}

Figures::Deliveries Figures::deliveries(Medium medium) const {
  const auto& all = courier(medium);
  return {all.delivered, all.failed, all.expired, all.lapsed};
}

void Figures::waiting(Medium medium, std::size_t counted) {
  courier(medium).waiting = counted;
}

std::size_t Figures::waiting(Medium medium) const {
  return courier(medium).waiting;
}

void Figures::waits_since(Medium medium, std::optional<base::Instant> first) {
  courier(medium).first_ms = first ? first->ms : kNone;
}

void Figures::append_couriers(std::vector<Reading>& out, base::Instant now) const {
  const auto by_medium = [&](const char* name_of, const char* help, Reading::Kind kind, const auto& value) {
    for (const Medium medium : kCouriers)
      out.push_back({name_of, help, kind, "medium", std::string(name(medium)),
                     static_cast<double>(value(courier(medium)))});
  };
  using enum Reading::Kind;
  by_medium("sigillo_deliveries_waiting", "Deliveries that a courier could fetch now", gauge,
            [](const Courier& one) { return one.waiting.load(); });
  by_medium("sigillo_deliveries_oldest_seconds", "How long the first of them has waited", gauge,
            [now](const Courier& one) {
              const auto first = one.first_ms.load();
              return first == kNone ? 0 : std::max<std::int64_t>(now.ms - first, 0) / 1000;
            });
  by_medium("sigillo_deliveries_delivered_total", "Deliveries that their courier has delivered", counter,
            [](const Courier& one) { return one.delivered.load(); });
  by_medium("sigillo_deliveries_failed_total", "Deliveries that were given out as often as may be", counter,
            [](const Courier& one) { return one.failed.load(); });
  by_medium("sigillo_deliveries_expired_total", "Deliveries that nobody fetched or delivered in their time",
            counter, [](const Courier& one) { return one.expired.load(); });
  by_medium("sigillo_leases_lapsed_total", "Leases that ended and nothing was heard of", counter,
            [](const Courier& one) { return one.lapsed.load(); });
}

void Figures::locked(const Locked& counted) {
  for (std::size_t i = 0; i < counted.size(); ++i) locked_[i] = counted[i];
  looked_at_ = true;
}

void Figures::append_to(std::vector<Reading>& out, const sealed_store::Store& store,
                        base::Instant now) const {
  using enum Reading::Kind;
  for (std::uint16_t i = 1; i < Outcomes::kKinds; ++i) {
    out.push_back({"sigillo_outcomes_total", "Decisions, by outcome", counter, "outcome",
                   std::string(outcome_name(i)),
                   static_cast<double>(outcomes_.of(static_cast<EventOutcome>(i)))});
  }
  out.push_back({"sigillo_guess_limit_reached_total", "Subjects that were locked by a wrong PIN", counter, "",
                 "", static_cast<double>(limits_.load())});
  for (std::size_t i = 0; i < alarms_.size(); ++i) {
    out.push_back({"sigillo_alarms_total", "Alarms raised, by kind", counter, "kind",
                   name(static_cast<Alarm>(i)), static_cast<double>(alarms_[i].load())});
  }
  for (std::size_t i = 0; i < secret_replays_.size(); ++i) {
    out.push_back({"sigillo_secret_replays_total", "Answers with a secret that were asked for once more",
                   counter, "result", i == 0 ? "told" : "refused",
                   static_cast<double>(secret_replays_[i].load())});
  }
  append_couriers(out, now);
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    out.push_back({"sigillo_step_seconds",
                   "Time of the steps from a charge to its answer; the anchor is part of charge and settle",
                   histogram, "step", kSteps[i], steps_[i].sum_seconds(), list(steps_[i])});
  }
  const auto head = store.head().seq;
  const auto anchored = anchored_.load();
  out.push_back({"sigillo_ledger_entries", "Entries of the ledger that are durable", gauge, "", "",
                 static_cast<double>(head)});
  out.push_back({"sigillo_ledger_base", "Last entry of the ledger that was let go", gauge, "", "",
                 static_cast<double>(store.ledger_base().seq)});
  out.push_back({"sigillo_anchor_lag_entries", "Entries that are durable and not yet anchored in the HSM",
                 gauge, "", "", head > anchored ? static_cast<double>(head - anchored) : 0});
  out.push_back({"sigillo_anchor_failures_total", "Heads that the HSM did not take", counter, "", "",
                 static_cast<double>(anchor_failures_.load())});
  out.push_back({"sigillo_unclean_stops", "Stops without an end that are counted; 10 hold the next start",
                 gauge, "", "", static_cast<double>(unclean_stops_.load())});
  out.push_back({"sigillo_counters", "Counters that are not zero, of all subjects together", gauge, "", "",
                 static_cast<double>(store.guards())});
  for (std::size_t i = 0; looked_at_ && i < locked_.size(); ++i) {
    out.push_back({"sigillo_counters_locked", "Counters at their limit when they were last looked at", gauge,
                   "counter", kLockable[i], static_cast<double>(locked_[i].load())});
  }
  out.push_back({"sigillo_store_stale", "Buckets of records and parts of queues found older than they were",
                 gauge, "", "", static_cast<double>(store.stale())});
  out.push_back({"sigillo_store_trouble", "1 while the ledger cannot be written or anchored", gauge, "", "",
                 store.trouble() ? 1.0 : 0.0});
}

base::Result<void> MeteredWitness::record(const sealed_store::Head& head) {
  const base::Stopwatch watch(figures_.step(Step::anchor));
  auto recorded = witness_.record(head);
  if (recorded)
    figures_.anchored(head.seq);
  else
    figures_.anchor_failed();
  return recorded;
}

}  // namespace sigillo::appliance
