#include "housekeeping.hpp"

#include <base/log.hpp>
#include <base/thread_name.hpp>

#include <chrono>

#include "checkpoints.hpp"
#include "disk.hpp"
#include "ops.hpp"
#include "parts.hpp"
#include "token_opening.hpp"

namespace sigillo::appliance {
namespace {

using sealed_store::Changes;

constexpr auto kRound = std::chrono::seconds(1);
constexpr auto kDueTime = std::chrono::milliseconds(500);
// The couriers' queues: so many parts of each in one round, and others have the cores in between.
constexpr int kParts = 25;
constexpr auto kRest = std::chrono::milliseconds(5);
constexpr double kDiskCalm = 0.05;  // below the warning by so much, it may be given again

base::Task<bool> commit(const Context& context, Changes changes) {
  if (changes.puts.empty() && changes.erases.empty() && changes.events.empty()) co_return true;
  changes.witnessed = false;
  const auto committed = co_await context.store.commit(std::move(changes));
  if (!committed) base::log::error("housekeeping-failed", committed.error());
  co_return static_cast<bool>(committed);
}

}  // namespace

Housekeeping::Housekeeping(Engine& engine, TimedAnchor& anchor, const hsm::Token& token, Runs& runs,
                           KeyUses& uses, std::function<bool()> open_store)
    : engine_(engine),
      anchor_(anchor),
      canary_(engine.context(), token, token_options(engine.context().config.hsm).canary),
      runs_(runs),
      uses_(uses),
      open_store_(std::move(open_store)),
      due_(engine),
      ageing_(engine.context()),
      outboxes_{{{engine.context(), Medium::sms},
                 {engine.context(), Medium::email},
                 {engine.context(), Medium::pec},
                 {engine.context(), Medium::post}}},
      gauges_{{{engine.context(), Medium::sms},
               {engine.context(), Medium::email},
               {engine.context(), Medium::pec},
               {engine.context(), Medium::post}}},
      thread_([this] { loop(); }) {}

Housekeeping::~Housekeeping() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Housekeeping::loop() {
  base::name_background_thread("housekeeping");
  for (auto next = std::chrono::steady_clock::now() + kRound; rest_until(next); next += kRound) {
    next = std::max(next, std::chrono::steady_clock::now());
    round();
    for (auto& outbox : outboxes_) {
      for (int part = 0; part < kParts && outbox.step(); ++part) {
        if (!rest_until(std::chrono::steady_clock::now() + kRest)) return;
      }
    }
  }
}

// False: it stops.
bool Housekeeping::rest_until(std::chrono::steady_clock::time_point time) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_until(lock, time, [this] { return stopping_; });
}

void Housekeeping::round() {
  const auto held = engine_.context().keys();
  if (!watch_copies() || !open_store_()) return;
  watch_hsm();
  watch_disk();
  runs_.keep_time();
  uses_.keep();
  if (due_.step(kDueTime)) ageing_.step();
  for (auto& gauge : gauges_) gauge.step();
  const auto& audit = engine_.context().config.audit;
  if (!audit.checkpoint_folder.empty() && checkpoints_.due() && base::sync_wait(publish_checkpoint()))
    checkpoints_.rest(audit.checkpoint_interval);
}

// False: another copy has taken over. Every answer of `strict` mode finds that with its anchor; one that was
// made since the last look has looked, and the list that a look reads keeps those waiting who want the next.
bool Housekeeping::watch_copies() {
  const auto records = anchor_.records();
  const bool recorded = records != std::exchange(records_seen_, records);
  if (recorded && engine_.context().config.anchor.mode == AnchorMode::strict) return true;
  const auto fencing = anchor_.check();
  if (fencing || !fencing.error().is(sealed_store::Errc::fenced)) return true;
  engine_.set_fenced();
  base::log::error("fenced", fencing.error());
  return false;
}

// A call that failed makes the appliance not ready, and then nobody sends it calls that could succeed: so it
// makes some itself.
void Housekeeping::watch_hsm() {
  canary_.look();
  const bool healthy = engine_.context().dispatcher.healthy();
  if (healthy == hsm_was_healthy_) return;
  hsm_was_healthy_ = healthy;
  base::log::warn(healthy ? "hsm-back" : "hsm-away");
  Changes changes{
      .events = {own_event(healthy ? EventKind::hsm_back : EventKind::hsm_away, engine_.context().now())}};
  base::sync_wait(commit(engine_.context(), std::move(changes)));
}

// Warnings and no refusal: what is left is for settling what was charged, and for an operator to act. But a
// disk that is full makes it not ready before somebody has to ask, and be told 503, for that to be seen.
void Housekeeping::watch_disk() {
  const auto& path = engine_.context().config.store.path;
  const auto space = disk_space(path);
  if (!space) return;
  const bool full = space->free < (disk_full_ ? 2 * kDiskFull : kDiskFull);
  if (full != std::exchange(disk_full_, full)) {
    base::log::warn(full ? "disk-full" : "disk-has-room", {{"path", path}, {"free_bytes", space->free}});
    engine_.set_disk_full(full);
  }
  if (!disk_nearly_full_ && space->used >= kDiskNearlyFull) {
    disk_nearly_full_ = true;
    base::log::warn("disk-nearly-full",
                    {{"path", path}, {"used_percent", static_cast<int>(space->used * 100)}});
  } else if (space->used < kDiskNearlyFull - kDiskCalm) {
    disk_nearly_full_ = false;
  }
}

base::Task<bool> Housekeeping::publish_checkpoint() {
  const auto& context = engine_.context();
  const auto head = context.store.head();
  const auto note = co_await sign_checkpoint(context, head);
  if (!note) co_return false;
  const auto written = write_checkpoint(context.config.audit, head, *note);
  if (!written) base::log::error("checkpoint-not-written", written.error());
  co_return static_cast<bool>(written);
}

}  // namespace sigillo::appliance
