// Housekeeping: what time does by itself. Once a second: erases what fell due (answers that held secrets,
// links, sealed texts past their validity, verifiers of lapsed credentials, uses of contacts, counters that
// ended with time), asks the
// anchor whether another copy has taken over, notes when the HSM goes and comes, and gives checkpoints out at
// their interval. It touches nothing but under the same turns as everybody else, and re-reads before it
// erases. Thread rule: a thread of its own; stops in its destructor.
#pragma once

#include <array>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "ageing.hpp"
#include "engine.hpp"
#include "hsm_canary.hpp"
#include "key_uses.hpp"
#include "outbox_sweep.hpp"
#include "runs.hpp"
#include "timed_anchor.hpp"

namespace sigillo::appliance {

// The uses of one contact, due by what a list said: erased where that still holds under the contact's turn.
base::Task<bool> sweep_contact_use(Engine& engine, Id contact);

class Housekeeping {
 public:
  Housekeeping(Engine& engine, TimedAnchor& anchor, const hsm::Token& token, Runs& runs, KeyUses& uses);
  ~Housekeeping();

 private:
  void loop();
  bool rest_until(std::chrono::steady_clock::time_point time);
  void round();
  base::Task<bool> sweep();
  base::Task<bool> publish_checkpoint();
  bool watch_copies();
  void watch_hsm();
  void watch_disk();

  Engine& engine_;
  TimedAnchor& anchor_;
  HsmCanary canary_;
  Runs& runs_;
  KeyUses& uses_;
  Ageing ageing_;
  std::array<OutboxSweep, 4> outboxes_;
  std::uint64_t records_seen_ = 0;
  bool hsm_was_healthy_ = true;
  bool disk_nearly_full_ = false;
  base::Instant next_checkpoint_{};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sigillo::appliance
