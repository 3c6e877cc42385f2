// TimedAnchor: the Anchor on a thread of its own, each of its turns awaited no longer than the HSM's
// deadline. A call that never returns from the module would else hold the store's witness thread, and with it
// every answer, for as long as the process lives. While a turn has not come back, the next ones fail at once:
// not witnessed, so charges are put back and callers get `hsm-unavailable`; what the late turn found (another
// copy, above all) is told to the one after it. Thread rule: any thread; one turn at a time. Never: a second
// turn beside one that hangs.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <thread>

#include "anchor.hpp"

namespace sigillo::appliance {

class TimedAnchor final : public sealed_store::HeadWitness {
 public:
  TimedAnchor(Anchor& anchor, base::Duration deadline);
  ~TimedAnchor() override;  // waits for a turn that hangs

  // At the start nobody waits for an answer yet: as the anchor does them.
  base::Result<std::optional<sealed_store::Head>> recorded() override { return anchor_.recorded(); }
  base::Result<void> take_over(const sealed_store::Head& accepted) override {
    return anchor_.take_over(accepted);
  }
  base::Result<void> record(const sealed_store::Head& head) override;
  base::Result<void> check();
  std::uint64_t records() const { return records_; }  // made so far
  // How long a turn has not come back that nobody waits for any more. 0: there is none.
  base::Duration abandoned_for() const;

 private:
  struct Turn {
    std::function<base::Result<void>()> work;
    std::optional<base::Result<void>> result;
    std::chrono::steady_clock::time_point begun;
    bool abandoned = false;  // whoever asked has gone
  };
  base::Result<void> take(std::function<base::Result<void>()> work);
  void run();

  Anchor& anchor_;
  const base::Duration deadline_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<std::uint64_t> records_ = 0;
  std::shared_ptr<Turn> current_;
  std::optional<base::Error> fenced_;  // found by a turn that nobody waited for any more
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sigillo::appliance
