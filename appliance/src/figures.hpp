// Figures: what the appliance counts of itself while it works: outcomes, alarms, and how long the steps of a
// decision take. Owned by the Context; the store's witness is metered beside it. Thread rule: any thread.
#pragma once

#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>

#include <appliance/contacts.hpp>
#include <appliance/ledger_events.hpp>
#include <appliance/readings.hpp>
#include <base/histogram.hpp>
#include <sealed_store/store.hpp>

#include "channel_figures.hpp"

namespace sigillo::appliance {

// The parts of the time from a charge to its answer. `anchor` is inside `charge`, and inside most settles.
enum class Step : std::uint8_t { charge, anchor, evaluate, settle };
enum class Alarm : std::uint8_t {
  counters_full,
  shared_contact,
  existence_told,
  ledger_altered,
  record_unreadable,
  spray
};
const char* name(Alarm alarm);

class Figures {
 public:
  void outcome(EventOutcome outcome) { outcomes_.add(outcome); }
  void limit_reached() { add(limits_); }
  void alarm(Alarm alarm, std::string_view channel = {});  // counted, and a line in the log
  void ledger_altered(std::uint64_t seq);                  // the same, with the entry
  void spray(std::string_view channel, const SprayWatch::Window& seen);
  // A record that whoever goes through a queue had to pass: the same, once for each.
  void unreadable(const sealed_store::RecordKey& key, const base::Error& cause);
  bool known_unreadable(const sealed_store::RecordKey& key) const;
  // What became of a courier's deliveries: delivered; failed for good; past their time; and leases of which
  // nothing was heard until they ended.
  struct Deliveries {
    std::uint64_t delivered = 0, failed = 0, expired = 0, lapsed = 0;
  };
  void deliveries(Medium medium, const Deliveries& more);
  Deliveries deliveries(Medium medium) const;
  // Those that wait for their courier, and since when the first of them does.
  void waiting(Medium medium, std::size_t counted);
  std::size_t waiting(Medium medium) const;
  void waits_since(Medium medium, std::optional<base::Instant> first);
  // An answer that held a secret was asked for once more: told again, or no longer.
  void secret_replay(bool told) { add(secret_replays_[told ? 0 : 1]); }
  base::Histogram& step(Step step) { return steps_[static_cast<std::size_t>(step)]; }
  void anchored(std::uint64_t seq) { anchored_.store(seq, std::memory_order_relaxed); }
  void anchor_failed() { add(anchor_failures_); }
  // Counters at their limit, from guard::Counter::pin on; not told until all counters were looked at once.
  static constexpr std::array<const char*, 3> kLockable = {"pin", "contacts", "health-card"};
  using Locked = std::array<std::size_t, kLockable.size()>;
  void locked(const Locked& counted);
  void unclean_stops(std::size_t counted) { unclean_stops_.store(counted, std::memory_order_relaxed); }

  void append_to(std::vector<Reading>& out, const sealed_store::Store& store, base::Instant now) const;

 private:
  using Count = std::atomic<std::uint64_t>;
  static constexpr std::int64_t kNone = -1;
  struct Courier {
    Count delivered{0}, failed{0}, expired{0}, lapsed{0}, waiting{0};
    std::atomic<std::int64_t> first_ms{kNone};
  };
  void append_couriers(std::vector<Reading>& out, base::Instant now) const;
  Courier& courier(Medium medium) { return couriers_[static_cast<std::size_t>(medium) - 1]; }
  const Courier& courier(Medium medium) const { return couriers_[static_cast<std::size_t>(medium) - 1]; }
  static void add(Count& count) { count.fetch_add(1, std::memory_order_relaxed); }

  Outcomes outcomes_;
  std::array<Count, 6> alarms_{};
  std::array<base::Histogram, 4> steps_;
  std::array<Courier, 4> couriers_;
  std::array<Count, 2> secret_replays_{};
  std::array<Count, kLockable.size()> locked_{};
  std::atomic<bool> looked_at_{false};
  mutable std::mutex mutex_;
  std::set<sealed_store::RecordKey> unreadable_;
  Count limits_{0}, anchored_{0}, anchor_failures_{0}, unclean_stops_{0};
};

// The store's witness, with a watch in its hand.
class MeteredWitness final : public sealed_store::HeadWitness {
 public:
  MeteredWitness(sealed_store::HeadWitness& witness, Figures& figures)
      : witness_(witness), figures_(figures) {}
  base::Result<std::optional<sealed_store::Head>> recorded() override { return witness_.recorded(); }
  base::Result<void> take_over(const sealed_store::Head& accepted) override {
    figures_.anchored(accepted.seq);
    return witness_.take_over(accepted);
  }
  base::Result<void> record(const sealed_store::Head& head) override;

 private:
  sealed_store::HeadWitness& witness_;
  Figures& figures_;
};

}  // namespace sigillo::appliance
