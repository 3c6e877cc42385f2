// Housekeeping: what time does by itself. Once a second: has what fell due erased (due_sweep.hpp), counters
// that ended with time (ageing.hpp) and sealed texts past their validity (outbox_sweep.hpp), asks the anchor
// whether another copy has taken over, notes when the HSM goes and comes, and gives checkpoints out at their
// interval, and measures the couriers' queues (outbox_gauge.hpp). Thread rule: a thread of its own; stops in
// its destructor.
#pragma once

#include <array>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "ageing.hpp"
#include "due_sweep.hpp"
#include "engine.hpp"
#include "hsm_canary.hpp"
#include "key_uses.hpp"
#include "outbox_gauge.hpp"
#include "outbox_sweep.hpp"
#include "pace.hpp"
#include "runs.hpp"
#include "timed_anchor.hpp"

namespace sigillo::appliance {

class Housekeeping {
 public:
  // `open_store` is asked each round: true where the store is open, or is again now.
  Housekeeping(Engine& engine, TimedAnchor& anchor, const hsm::Token& token, Runs& runs, KeyUses& uses,
               std::function<bool()> open_store);
  ~Housekeeping();

 private:
  void loop();
  bool rest_until(std::chrono::steady_clock::time_point time);
  void round();
  base::Task<bool> publish_checkpoint();
  bool watch_copies();
  void watch_hsm();
  void watch_disk();

  Engine& engine_;
  TimedAnchor& anchor_;
  HsmCanary canary_;
  Runs& runs_;
  KeyUses& uses_;
  const std::function<bool()> open_store_;
  DueSweep due_;
  Ageing ageing_;
  std::array<OutboxSweep, 4> outboxes_;
  std::array<OutboxGauge, 4> gauges_;
  std::uint64_t records_seen_ = 0;
  bool hsm_was_healthy_ = true;
  bool disk_nearly_full_ = false, disk_full_ = false;
  Pace checkpoints_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sigillo::appliance
