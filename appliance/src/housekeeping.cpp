#include "housekeeping.hpp"

#include <base/log.hpp>
#include <base/thread_name.hpp>

#include <chrono>

#include "checkpoints.hpp"
#include "disk.hpp"
#include "ops.hpp"
#include "token_opening.hpp"

namespace sigillo::appliance {
namespace {

using sealed_store::Changes;
using sealed_store::RecordKey;

constexpr std::size_t kBatch = 200;  // of each queue in one round; the rest comes a second later
constexpr auto kRound = std::chrono::seconds(1);
// The couriers' queues: so many parts of each in one round, and others have the cores in between.
constexpr int kParts = 25;
constexpr auto kRest = std::chrono::milliseconds(5);
constexpr double kDiskCalm = 0.05;  // below the warning by so much, it may be given again

sealed_store::Event event(const Context& context, EventKind kind, const SubjectIndex& subject = {}) {
  sealed_store::Event out;
  out.time = context.now();
  out.kind = static_cast<std::uint16_t>(kind);
  out.subject = subject;
  out.channel = "appliance";
  return out;
}

base::Task<bool> commit(const Context& context, Changes changes) {
  if (changes.puts.empty() && changes.erases.empty() && changes.events.empty()) co_return true;
  changes.witnessed = false;
  const auto committed = co_await context.store.commit(std::move(changes));
  co_await context.dispatcher.hop();  // off the store's thread: a sweep goes on to the next record
  if (!committed) base::log::error("housekeeping-failed", committed.error());
  co_return static_cast<bool>(committed);
}

// One due record of each kind. All re-read under the turn that owns the record.
base::Task<bool> sweep_idempotency(Engine& engine, Id id) {
  const auto& context = engine.context();
  if (!engine.keys_in_flight().enter(id)) co_return true;
  auto record = context.load<IdempotencyRecord>(Table::idempotency, id);
  Changes changes;
  if (record && *record) {
    auto& kept = **record;
    if (context.now() >= kept.at + idempotency::kKept) {
      changes.erases.push_back(record_key(Table::idempotency, id));
    } else if (kept.secret && !kept.sealed.empty()) {
      kept.sealed.clear();
      changes.puts.push_back(
          context.put(Table::idempotency, id, kept, Queue::idempotency, kept.at + idempotency::kKept));
    }
  }
  const bool done = co_await commit(context, std::move(changes));
  engine.keys_in_flight().leave(id);
  co_return done;
}

base::Task<bool> sweep_link(Engine& engine, Id id) {
  const auto& context = engine.context();
  auto found = context.load<LinkRecord>(Table::link, id);
  if (!found || !*found) co_return true;
  const auto turn = co_await context.queue.enter((*found)->subject);
  Changes changes;
  changes.erases.push_back(record_key(Table::link, id));
  const sealed_store::GuardKey key{id, static_cast<std::uint8_t>(guard::Counter::link)};
  if (context.store.guard(key).total() > 0) {
    auto ended = event(context, EventKind::count_ended, id);
    ended.guard.emplace(key, sealed_store::GuardValue{});
    changes.events.push_back(std::move(ended));
  }
  co_return co_await commit(context, std::move(changes));
}

// A credential that lapsed: its verifiers are of no use to anybody any more, so they go.
base::Task<bool> sweep_subject(Engine& engine, SubjectIndex index) {
  const auto& context = engine.context();
  const auto turn = co_await context.queue.enter(index);
  auto record = context.load_subject(index);
  Changes changes;
  if (record && state_of(*record, context.now()) == State::lapsed) {
    auto& lapsed = std::get<Provisional>(record->state);
    lapsed.first.reset();
    lapsed.second.reset();
    changes.puts.push_back(context.put(Table::subject, index, *record));
  }
  co_return co_await commit(context, std::move(changes));
}

base::Task<bool> sweep_delivery(Engine& engine, Id id) {
  Changes changes;
  changes.erases.push_back(record_key(Table::delivery, id));
  co_return co_await commit(engine.context(), std::move(changes));
}

}  // namespace

base::Task<bool> sweep_contact_use(Engine& engine, Id contact) {
  const auto& context = engine.context();
  const auto turn = co_await context.queue.enter(contact);
  // Attack: (1) give a contact for five subjects, (2) give it for a sixth in the moment in which it falls
  // due: with that use, those that count would be gone as well, and no alarm be raised.
  const auto found = context.load<ContactUse>(Table::contact_use, contact);
  const auto counts = [&](const ContactUse::Use& one) { return context.now() < one.at + kContactWindow; };
  Changes changes;
  if (found && *found && std::ranges::none_of((*found)->uses, counts))
    changes.erases.push_back(record_key(Table::contact_use, contact));
  co_return co_await commit(context, std::move(changes));
}

Housekeeping::Housekeeping(Engine& engine, TimedAnchor& anchor, const hsm::Token& token, Runs& runs,
                           KeyUses& uses)
    : engine_(engine),
      anchor_(anchor),
      canary_(engine.context(), token, token_options(engine.context().config.hsm).canary),
      runs_(runs),
      uses_(uses),
      ageing_(engine.context()),
      outboxes_{{{engine.context(), Medium::sms},
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
  if (!watch_copies()) return;
  watch_hsm();
  watch_disk();
  runs_.keep_time();
  uses_.keep();
  base::sync_wait(sweep());
  const auto& audit = engine_.context().config.audit;
  if (!audit.checkpoint_folder.empty() && engine_.context().clock.now() >= next_checkpoint_) {
    if (base::sync_wait(publish_checkpoint()))
      next_checkpoint_ = engine_.context().clock.now() + audit.checkpoint_interval;
  }
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
  Changes changes{.events = {event(engine_.context(), healthy ? EventKind::hsm_back : EventKind::hsm_away)}};
  base::sync_wait(commit(engine_.context(), std::move(changes)));
}

// A warning and no refusal: what is left is for settling what was charged, and for an operator to act.
void Housekeeping::watch_disk() {
  const auto& path = engine_.context().config.store.path;
  const auto used = disk_used(path);
  if (!used) return;
  if (!disk_nearly_full_ && *used >= kDiskNearlyFull) {
    disk_nearly_full_ = true;
    base::log::warn("disk-nearly-full", {{"path", path}, {"used_percent", static_cast<int>(*used * 100)}});
  } else if (*used < kDiskNearlyFull - kDiskCalm) {
    disk_nearly_full_ = false;
  }
}

base::Task<bool> Housekeeping::sweep() {
  const auto& context = engine_.context();
  co_await context.dispatcher.hop();
  using Sweeper = base::Task<bool> (*)(Engine&, Id);
  static constexpr std::pair<Queue, Sweeper> kSweepers[] = {{Queue::idempotency, sweep_idempotency},
                                                            {Queue::link, sweep_link},
                                                            {Queue::subject, sweep_subject},
                                                            {Queue::contact_use, sweep_contact_use},
                                                            {Queue::delivery, sweep_delivery}};
  for (const auto& [queue, sweeper] : kSweepers) {
    const auto due = context.store.due(static_cast<std::uint8_t>(queue), context.now(), kBatch);
    if (!due) co_return false;
    for (const auto& record : *due) {
      const bool swept = co_await sweeper(engine_, record.key.id);
      if (!swept) co_return false;  // the next would fail like it, in front of those who wait for the writer
    }
  }
  co_return co_await ageing_.step();
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
