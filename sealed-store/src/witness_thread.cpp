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
    waiting_.push_back(std::move(done));
    busy_(true);
  }
  wake_.notify_one();
}

void WitnessThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::optional<base::Error> WitnessThread::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void WitnessThread::run() {
  base::name_thread("store-witness");
  for (;;) {
    std::vector<Done> waiters;
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
      waiters.swap(waiting_);
      last = stopping_ && waiters.empty();
    }
    const auto waited = waiters.size();
    const auto begun = std::chrono::steady_clock::now();
    record_for(std::move(waiters));
    if (last) return;
    if (waited >= kManyWaiters) breathe(std::chrono::steady_clock::now() - begun);
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) busy_(false);
  }
}

// While many wait, a record is followed by a pause as long as itself: those who come in it ride the next one
// together, which takes a whole core of a module such as SoftHSM2 otherwise, for a few heads at a time.
void WitnessThread::breathe(std::chrono::steady_clock::duration record) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, std::min<std::chrono::steady_clock::duration>(record, kPauseMax),
                 [this] { return stopping_; });
}

void WitnessThread::record_for(std::vector<Done> waiters) {
  const auto recorded = record();
  for (const auto& done : waiters) done(recorded);
}

base::Result<void> WitnessThread::record() {
  if (fenced_) return base::Error(Errc::fenced, "another running copy has taken over");
  Head head;
  {
    const std::lock_guard lock(state_.mutex);
    head = state_.head;
  }
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
