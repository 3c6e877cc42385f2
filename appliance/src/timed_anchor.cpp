#include "timed_anchor.hpp"

#include <base/thread_name.hpp>

namespace sigillo::appliance {
namespace {

base::Error late() {
  return {hsm::Errc::deadline, "the HSM did not take the anchor in time"};
}

}  // namespace

TimedAnchor::TimedAnchor(Anchor& anchor, base::Duration deadline)
    : anchor_(anchor), deadline_(deadline), thread_([this] { run(); }) {}

TimedAnchor::~TimedAnchor() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

base::Result<void> TimedAnchor::record(const sealed_store::Head& head) {
  auto recorded = take([this, head] { return anchor_.record(head); });
  if (recorded) ++records_;
  return recorded;
}

base::Result<void> TimedAnchor::check() {
  return take([this] { return anchor_.check(); });
}

base::Duration TimedAnchor::abandoned_for() const {
  using std::chrono::milliseconds;
  const std::lock_guard lock(mutex_);
  if (!current_ || !current_->abandoned) return {};
  const auto away = std::chrono::steady_clock::now() - current_->begun;
  return {std::chrono::duration_cast<milliseconds>(away).count()};
}

base::Result<void> TimedAnchor::take(std::function<base::Result<void>()> work) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(deadline_.ms);
  auto turn = std::make_shared<Turn>();
  turn->work = std::move(work);
  std::unique_lock lock(mutex_);
  // Two ask: the witness and the housekeeping. The second waits for the first, and nobody for one that hangs.
  const auto my_turn = [this] { return !current_ || current_->abandoned; };
  if (!changed_.wait_until(lock, until, my_turn) || current_) return late();
  if (fenced_) return *fenced_;
  turn->begun = std::chrono::steady_clock::now();
  current_ = turn;
  changed_.notify_all();
  if (changed_.wait_until(lock, until, [&] { return turn->result.has_value(); })) return *turn->result;
  turn->abandoned = true;
  changed_.notify_all();
  return late();
}

void TimedAnchor::run() {
  base::name_thread("anchor");
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || current_; });
    if (!current_) return;
    const auto turn = current_;
    lock.unlock();
    auto result = turn->work();
    lock.lock();
    if (!result && result.error().is(sealed_store::Errc::fenced)) fenced_ = result.error();
    turn->result.emplace(std::move(result));
    current_.reset();
    changed_.notify_all();
  }
}

}  // namespace sigillo::appliance
