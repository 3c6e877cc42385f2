#include "witness_thread.hpp"

#include <algorithm>

#include <base/log.hpp>
#include <base/thread_name.hpp>

namespace sigillo::sealed_store {
namespace {

// While the witness is away: how soon it is asked again, so that readiness comes back without traffic.
constexpr std::chrono::milliseconds kRetry{250};
constexpr std::size_t kManyWaiters = 4;  // of one record: a pause after it is worth its while
constexpr std::chrono::milliseconds kPauseMax{2};

}  // namespace

WitnessThread::WitnessThread(HeadWitness& witness, const StoreOptions& options, const State& state,
                             const Head& recorded, Busy busy)
    : witness_(witness),
      mode_(options.mode),
      interval_(options.interval.ms),
      state_(state),
      busy_(std::move(busy)),
      recorded_seq_(recorded.seq),
      thread_([this] { run(); }) {}

void WitnessThread::await(Done done) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({state_.head.seq, std::move(done)});  // the writer may read it so
    busy_(true);
    if (coming_) return;
  }
  wake_.notify_one();
}

void WitnessThread::coming(bool on) {
  {
    const std::lock_guard lock(mutex_);
    const bool came = std::exchange(coming_, on) && !on;
    if (!came || waiting_.empty()) return;
  }
  wake_.notify_one();
}

void WitnessThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  stopped_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::optional<base::Error> WitnessThread::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void WitnessThread::run() {
  base::name_thread("store-witness");
  for (;;) {
    bool last = false;
    {
      std::unique_lock lock(mutex_);
      const auto woken = [this] { return stopping_ || !waiting_.empty(); };
      if (mode_ == WitnessMode::interval) {
        wake_.wait_for(lock, interval_, woken);
      } else if (trouble_) {
        wake_.wait_for(lock, kRetry, woken);
      } else {
        wake_.wait(lock, woken);
      }
      let_come(lock);
      last = stopping_ && waiting_.empty();
    }
    const auto begun = std::chrono::steady_clock::now();
    const auto told = record_and_tell();
    if (last) return;
    pause_ = std::min<Duration>(std::chrono::steady_clock::now() - begun, kPauseMax);
    if (told >= kManyWaiters) breathe();
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) busy_(false);
  }
}

// Who is in a commit that ends just after a record has begun would wait for all of that one, for the pause
// after it, and for a third. So it is waited for, no longer than a record takes.
void WitnessThread::let_come(std::unique_lock<std::mutex>& lock) {
  wake_.wait_for(lock, pause_, [this] { return stopping_ || !coming_; });
}

// While many wait, a record is followed by a pause as long as itself: those who come in it ride the next one
// together, which takes a whole core of a module such as SoftHSM2 otherwise, for a few heads at a time.
void WitnessThread::breathe() {
  std::unique_lock lock(mutex_);
  stopped_.wait_for(lock, pause_, [this] { return stopping_; });
}

// How many were told: those too who asked while it was recorded, and whose entry is in it.
std::size_t WitnessThread::record_and_tell() {
  Head newest;
  {
    const std::lock_guard lock(state_.mutex);
    newest = state_.head;
  }
  const auto recorded = record(newest);
  std::vector<Waiter> covered;
  {
    const std::lock_guard lock(mutex_);
    const auto later = std::ranges::upper_bound(waiting_, newest.seq, {}, &Waiter::seq);
    covered.assign(std::move_iterator(waiting_.begin()), std::move_iterator(later));
    waiting_.erase(waiting_.begin(), later);
  }
  for (const auto& waiter : covered) waiter.done(recorded);
  return covered.size();
}

base::Result<void> WitnessThread::record(const Head& head) {
  if (fenced_) return base::Error(Errc::fenced, "another running copy has taken over");
  const bool retry = trouble().has_value();
  if (head.seq == recorded_seq_ && !retry) return base::ok();
  auto recorded = witness_.record(head);
  if (recorded) {
    recorded_seq_ = head.seq;
  } else if (recorded.error().is(Errc::fenced)) {
    fenced_ = true;
    base::log::error("store.fenced", recorded.error());
  } else {
    if (!retry) base::log::error("store.not_witnessed", recorded.error());
    recorded =
        base::Error(Errc::not_witnessed, "the witness did not record the head", recorded.error().number());
  }
  const std::lock_guard lock(mutex_);
  trouble_ = recorded ? std::optional<base::Error>{} : recorded.error();
  return recorded;
}

}  // namespace sigillo::sealed_store
