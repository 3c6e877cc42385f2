// CommitQueue: what waits for the writer, and when it is worth a commit. A commit costs a sync, whatever is
// in it; so what gains nothing by being durable now waits, two milliseconds at most, for what comes with it:
// a charge while the witness is busy, for it is answered after the next record; a settle while other attempts
// are being evaluated, for theirs come soon. Who is alone is never held, and nobody in `interval` mode.
// Thread rule: take() is the writer's, the rest any thread's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include <sealed_store/sqlcipher_store.hpp>

#include "batch.hpp"

namespace sigillo::sealed_store {

class CommitQueue {
 public:
  enum class Wait : std::uint8_t { for_work, a_while, no };  // a while: the disk is away, and is asked again
  struct Taken {
    std::vector<Operation> operations;
    bool work;  // false: nobody asked for anything
  };

  // The longest that company is waited for: a network HSM takes as long for one evaluation.
  static constexpr std::chrono::milliseconds kCompany{2};
  explicit CommitQueue(WitnessMode mode, std::chrono::milliseconds company = kCompany)
      : mode_(mode), company_(company) {}

  // Errc::unavailable once it is closed; then the operation is left as it was.
  base::Result<void> push(Operation&& operation);
  void push(Refund refund);
  void close();
  // In order of arrival; nothing once it is closed and empty.
  std::optional<Taken> take(Wait wait);
  bool due() const;  // take() waits for no company
  // Each is here, or in the writer's hands, until it is durable.
  std::deque<Refund> take_refunds();
  bool owes() const;  // a refund waits

  void charged() { ++in_evaluation_; }
  // To be settled or put back; before it is pushed. One that was charged before the store was opened anew is
  // not among those that were counted here.
  void came_back() {
    auto now = in_evaluation_.load();
    while (now > 0 && !in_evaluation_.compare_exchange_weak(now, now - 1)) {
    }
  }
  void witness(bool busy);

 private:
  bool is_due() const;

  const WitnessMode mode_;
  const std::chrono::milliseconds company_;
  std::atomic<std::uint64_t> in_evaluation_ = 0;
  std::atomic<bool> witness_busy_ = false;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Operation> operations_;
  std::size_t for_witness_ = 0;  // of them
  std::deque<Refund> refunds_;
  bool closed_ = false;
};

}  // namespace sigillo::sealed_store
