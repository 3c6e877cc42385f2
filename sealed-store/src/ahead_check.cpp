#include "ahead_check.hpp"

#include <base/log.hpp>
#include <base/thread_name.hpp>

namespace sigillo::sealed_store {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::microseconds kSlice{500};
constexpr int kRest = 4;                         // slices of rest for one of work, while others work
constexpr std::chrono::milliseconds kAway{250};  // after a read that failed: the disk is away

// Fresh, or stale, which has raised its alarm.
bool is_known(const base::Result<void>& checked) {
  return checked || checked.error().is(Errc::stale);
}

}  // namespace

AheadCheck::AheadCheck(RecordReader& reader, const State& state, base::Duration again)
    : reader_(reader), state_(state), again_(again.ms), thread_([this] { run(); }) {}

AheadCheck::~AheadCheck() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool AheadCheck::rest(steady_clock::duration time) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, time, [this] { return stopping_; });
}

void AheadCheck::run() {
  base::name_thread("store-ahead");
  for (bool again = false;; again = true) {
    if (!check_all(again) || !rest(again_)) return;
  }
}

bool AheadCheck::check_all(bool again) {
  Pace pace{.since = steady_clock::now(), .seen = head()};
  for (std::uint32_t id = 0; id < FreshRows::kBuckets;) {
    const auto checked = reader_.check(static_cast<std::uint16_t>(id), again);
    if (is_known(checked)) ++id;
    if (!keep(pace, checked)) return false;
  }
  const auto parts = [this] {
    const std::lock_guard lock(state_.mutex);
    return state_.queues.parts();
  }();
  for (std::size_t at = 0; at < parts.size();) {
    const auto checked = reader_.check_part(parts[at]);
    if (is_known(checked)) ++at;
    if (!keep(pace, checked)) return false;
  }
  base::log::info("store.checked", {{"buckets", static_cast<std::int64_t>(FreshRows::kBuckets)},
                                    {"queue_parts", static_cast<std::int64_t>(parts.size())}});
  return true;
}

bool AheadCheck::keep(Pace& pace, const base::Result<void>& checked) {
  const auto spent = steady_clock::now() - pace.since;
  if (is_known(checked) && spent < kSlice) return true;
  const auto now = head();
  const auto pause = !is_known(checked) ? steady_clock::duration(kAway)
                     : now != pace.seen ? kRest * spent
                                        : spent / 16;
  if (!rest(pause)) return false;
  pace = {.since = steady_clock::now(), .seen = now};
  return true;
}

std::uint64_t AheadCheck::head() const {
  const std::lock_guard lock(state_.mutex);
  return state_.head.seq;
}

}  // namespace sigillo::sealed_store
