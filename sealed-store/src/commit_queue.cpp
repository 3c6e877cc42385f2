#include "commit_queue.hpp"

namespace sigillo::sealed_store {
namespace {

// Operations of one commit: beyond this a commit's latency grows faster than what it saves.
constexpr std::size_t kGroupMax = 1024;
// While the disk is away: how soon it is asked again, so that readiness comes back without traffic.
constexpr std::chrono::milliseconds kRetry{250};

}  // namespace

bool CommitQueue::is_due() const {
  if (closed_ || operations_.empty() || operations_.size() >= kGroupMax) return true;
  if (mode_ == WitnessMode::interval) return true;  // nothing waits for more than the sync itself
  if (for_witness_ > 0 && !witness_busy_) return true;
  return for_witness_ < operations_.size() && in_evaluation_ == 0;
}

bool CommitQueue::due() const {
  const std::lock_guard lock(mutex_);
  return is_due();
}

base::Result<void> CommitQueue::push(Operation&& operation) {
  const std::lock_guard lock(mutex_);
  if (closed_) return base::Error(Errc::unavailable, "the store is being closed");
  // The writer is woken by the first, to wait no longer than it may, and by what makes them due.
  const bool first = operations_.empty();
  operation.since = std::chrono::steady_clock::now();
  if (operation.waits_for_witness(mode_)) ++for_witness_;
  operations_.push_back(std::move(operation));
  if (first || is_due()) wake_.notify_one();
  return base::ok();
}

void CommitQueue::push(Refund refund) {
  const std::lock_guard lock(mutex_);
  refunds_.push_back(std::move(refund));
  wake_.notify_one();
}

void CommitQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  wake_.notify_one();
}

void CommitQueue::witness(bool busy) {
  witness_busy_ = busy;
  if (busy) return;
  const std::lock_guard lock(mutex_);
  if (for_witness_ > 0) wake_.notify_one();
}

std::optional<CommitQueue::Taken> CommitQueue::take(Wait wait) {
  std::unique_lock lock(mutex_);
  const auto asked = [&] {
    return closed_ || !operations_.empty() || (wait == Wait::for_work && !refunds_.empty());
  };
  if (wait == Wait::a_while) wake_.wait_for(lock, kRetry, asked);
  if (wait == Wait::for_work) wake_.wait(lock, asked);
  if (!operations_.empty())
    wake_.wait_until(lock, operations_.front().since + company_, [this] { return is_due(); });
  if (closed_ && operations_.empty()) return std::nullopt;
  Taken out{{}, !operations_.empty() || !refunds_.empty()};
  const auto count = std::min(operations_.size(), kGroupMax);
  out.operations.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (operations_.front().waits_for_witness(mode_)) --for_witness_;
    out.operations.push_back(std::move(operations_.front()));
    operations_.pop_front();
  }
  return out;
}

bool CommitQueue::owes() const {
  const std::lock_guard lock(mutex_);
  return !refunds_.empty();
}

std::deque<Refund> CommitQueue::take_refunds() {
  const std::lock_guard lock(mutex_);
  return std::exchange(refunds_, {});
}

}  // namespace sigillo::sealed_store
