#include "session.hpp"

#include <base/log.hpp>

#include "idempotency.hpp"
#include "notices.hpp"

namespace sigillo::appliance {
namespace {

constexpr int kConflictsMax = 3;
constexpr std::size_t kCountersMax = 8'000'000;  // about 400 MB; docs/OPERATIONS.md says how cost grows

}  // namespace

sealed_store::Event Session::event(EventKind kind, const SubjectIndex& subject, EventOutcome outcome,
                                   std::string reference) const {
  sealed_store::Event event;
  event.time = now();
  event.kind = static_cast<std::uint16_t>(kind);
  event.outcome = static_cast<std::uint16_t>(outcome);
  event.subject = subject;
  event.channel = channel().label();
  event.operator_name = operator_.value_or("");
  event.reference = std::move(reference);
  return event;
}

GuardKey Session::guard_key(const SubjectIndex& subject, guard::Counter counter) {
  return {subject, static_cast<std::uint8_t>(counter)};
}

Session::Gate Session::gate(const SubjectIndex& subject, guard::Counter counter, std::string endpoint,
                            const SubjectRecord& record) const {
  return {guard_key(subject, counter), guard::limits(counter, policy()), std::move(endpoint),
          is_live(state_of(record, now())), &record};
}

Session::Gate Session::link_gate(const Id& link, std::string endpoint) const {
  return {guard_key(link, guard::Counter::link), guard::limits(guard::Counter::link, policy()),
          std::move(endpoint)};
}

bool Session::lost_since(base::Instant made, const SubjectIndex& subject, const SubjectRecord& record) const {
  const auto count = context_.count(subject, guard::Counter::pin, record);
  return guard::awaits_reissue(count) && made < count.last;
}

base::Task<std::variant<Reply, ChargedAttempt>> Session::charge(Gate gate) {
  // The guard may change between look and charge, for a refund of an earlier attempt takes no turn: then it
  // is looked at again. Whoever meets it again and again meets more than refunds.
  for (int conflicts = 0;; ++conflicts) {
    const GuardValue stored = context_.store.guard(gate.key);
    const GuardValue value = gate.record == nullptr
                                 ? stored
                                 : context_.reissue.seen(static_cast<guard::Counter>(gate.key.counter),
                                                         stored, *gate.record, gate.limits);
    const auto view = guard::look(value, gate.limits, now());
    if (!view.open()) co_return co_await refuse(gate, view);
    // Attack: (1) guess once at each of a billion made-up subjects, until memory ends. Counters of subjects
    // that exist and of those that do not share one bound, and past it neither gets a new one.
    if (stored.total() == 0 && context_.store.guards() >= kCountersMax) {
      context_.figures->alarm(Alarm::counters_full, channel().label());
      co_return Reply(Outage::overloaded);
    }
    sealed_store::Charge charge{
        gate.key, stored, event(EventKind::charge, gate.key.subject, EventOutcome::none, gate.endpoint),
        event(EventKind::not_evaluated, gate.key.subject, EventOutcome::outage, gate.endpoint)};
    charge.event.guard.emplace(gate.key, guard::charged(value, gate.limits, gate.owned, now()));
    const auto begun = std::chrono::steady_clock::now();
    auto charged = co_await context_.store.charge(std::move(charge));
    context_.figures->step(Step::charge).observe(std::chrono::steady_clock::now() - begun);
    if (charged) co_return std::move(*charged);
    const bool again = charged.error().is(sealed_store::Errc::conflict) && conflicts < kConflictsMax;
    if (again) continue;
    // What was not anchored is given back: nothing was done.
    if (charged.error().is(sealed_store::Errc::not_witnessed)) co_return Reply(Outage::hsm_unavailable);
    co_return Reply(outage_of(charged.error()));
  }
}

void Session::decided(EventOutcome outcome) const {
  context_.figures->outcome(outcome);
  channel().figures->outcomes.add(outcome);
}

void Session::watch_spray(const ChargedAttempt& attempt, bool right, bool ends_count,
                          Changes& changes) const {
  const auto& alarm = context_.config.spray;
  if (!alarm.on || attempt.key().counter != static_cast<std::uint8_t>(guard::Counter::pin)) return;
  const auto pin = SprayWatch::look(attempt, right, ends_count, alarm.window);
  const auto raised = channel().figures->spray.note(pin, now(), alarm);
  if (!raised) return;
  context_.figures->spray(channel().label(), *raised);
  changes.events.push_back(event(EventKind::spray, {}, EventOutcome::none,
                                 std::to_string(raised->standing) + ':' + std::to_string(raised->right)));
}

base::Task<Reply> Session::refuse(const Gate& gate, const guard::View& view) {
  Rejection refused{view.locked ? Rejection::Outcome::locked : Rejection::Outcome::delayed, view.remaining,
                    std::nullopt};
  if (view.delayed_until) {
    // The clock has gone on since the look: the delay may be over by now, and was not then.
    const auto left_s = (*view.delayed_until - now()).seconds_up();
    refused.retry_after_s = static_cast<std::uint32_t>(std::max<std::int64_t>(left_s, 1));
  }
  const auto outcome = view.locked ? EventOutcome::locked : EventOutcome::delayed;
  decided(outcome);
  Changes changes{.events = {event(EventKind::refused, gate.key.subject, outcome, gate.endpoint)},
                  .witnessed = false};
  co_return co_await commit(std::move(changes), refused);
}

base::Task<std::variant<Reply, Session::Accepted>> Session::attempt(SubjectIndex subject,
                                                                    SubjectRecord record, lifecycle::Use use,
                                                                    std::string endpoint, const Pin& pin) {
  const auto where = gate(subject, guard::Counter::pin, endpoint, record);
  auto charged = co_await charge(where);
  if (auto* refused = std::get_if<Reply>(&charged)) co_return std::move(*refused);

  const auto against = lifecycle::against(record, pin.is_whole(), now());
  const auto begun = std::chrono::steady_clock::now();
  auto evaluation = co_await context_.verifier.pin(std::get<ChargedAttempt>(std::move(charged)), subject,
                                                   record, against, pin);
  context_.figures->step(Step::evaluate).observe(std::chrono::steady_clock::now() - begun);
  if (auto* failed = std::get_if<NotEvaluated>(&evaluation))
    co_return not_evaluated(std::move(*failed), endpoint);
  auto& evaluated = std::get<Evaluated>(evaluation);

  const lifecycle::PinShown shown{use, against, evaluated.match};
  const auto decision = lifecycle::decide(record, shown, now());
  switch (decision.outcome) {
    case lifecycle::PinDecision::Outcome::rejected: {
      Changes changes{.witnessed = false};
      const auto refused = rejection(evaluated.attempt, where.limits);
      if (refused.attempts_remaining == 0) {
        changes.add(
            {.events = {event(EventKind::locked, subject, EventOutcome::locked)}, .witnessed = false});
        send_notices_later(context_, subject, NoticeEvent::locked);
        context_.figures->limit_reached();
      }
      co_return co_await settle(std::move(evaluated.attempt), std::nullopt, EventOutcome::rejected,
                                std::move(changes), refused);
    }
    case lifecycle::PinDecision::Outcome::expired:
      co_return co_await settle(std::move(evaluated.attempt), GuardValue{}, EventOutcome::expired,
                                {.witnessed = false}, ExpiredPin{});
    case lifecycle::PinDecision::Outcome::accepted:
      co_return Accepted{std::move(evaluated.attempt), decision, std::move(record)};
  }
  std::abort();
}

Reply Session::not_evaluated(NotEvaluated evaluation, const std::string& endpoint) {
  const auto subject = evaluation.attempt.key().subject;
  context_.store.refund(std::move(evaluation.attempt),
                        event(EventKind::not_evaluated, subject, EventOutcome::outage, endpoint));
  return outage_of(evaluation.cause);
}

Rejection Session::rejection(const ChargedAttempt& attempt, const guard::Limits& limits) const {
  const auto total = attempt.after().total();
  return {Rejection::Outcome::rejected, total >= limits.limit ? 0 : limits.limit - total, std::nullopt};
}

base::Task<Reply> Session::settle(ChargedAttempt attempt, std::optional<GuardValue> count,
                                  EventOutcome outcome, Changes changes, Answer answer, bool secret) {
  auto settled = event(EventKind::settle, attempt.key().subject, outcome);
  settled.attempt = attempt.seq();
  if (count) settled.guard.emplace(attempt.key(), *count);
  changes.events.insert(changes.events.begin(), std::move(settled));
  watch_spray(attempt, outcome != EventOutcome::rejected, count && count->total() == 0, changes);
  Rendered rendered = keep_answer(changes, answer, secret);
  const auto begun = std::chrono::steady_clock::now();
  auto committed = co_await context_.store.settle(std::move(attempt), std::move(changes));
  context_.figures->step(Step::settle).observe(std::chrono::steady_clock::now() - begun);
  if (!committed) co_return outage_of(committed.error());
  decided(outcome);
  co_return std::move(rendered);
}

base::Task<Reply> Session::settle_rejected(ChargedAttempt attempt, guard::Limits limits) {
  Changes counts{.witnessed = false};
  Answer refused(rejection(attempt, limits));
  co_return co_await settle(std::move(attempt), std::nullopt, EventOutcome::rejected, std::move(counts),
                            std::move(refused));
}

base::Task<Reply> Session::settle_outage(Accepted accepted, const base::Error& cause) {
  const GuardValue count = accepted.decision.clears_count ? GuardValue{} : accepted.attempt.before();
  co_return co_await settle_outage(std::move(accepted.attempt), count, outage_of(cause));
}

base::Task<Reply> Session::settle_outage(ChargedAttempt attempt, GuardValue count, Reply answer) {
  auto settled = event(EventKind::settle, attempt.key().subject, EventOutcome::outage);
  settled.attempt = attempt.seq();
  settled.guard.emplace(attempt.key(), count);
  Changes changes{.events = {std::move(settled)}, .witnessed = false};
  auto committed = co_await context_.store.settle(std::move(attempt), std::move(changes));
  if (!committed) co_return outage_of(committed.error());
  co_return answer;
}

base::Task<Reply> Session::commit(Changes changes, Answer answer, bool secret) {
  Rendered rendered = keep_answer(changes, answer, secret);
  auto committed = co_await context_.store.commit(std::move(changes));
  if (!committed) co_return outage_of(committed.error());
  co_return std::move(rendered);
}

base::Task<Reply> Session::deny(const SubjectIndex& subject, Refusal refusal, std::string reference) {
  Changes changes{.events = {event(EventKind::denied, subject, EventOutcome::refused, std::move(reference))},
                  .witnessed = false};
  co_return co_await commit(std::move(changes), refusal);
}

base::Task<Reply> Session::decline(Answer refusal) {
  if (!call_.idempotency) co_return answer(refusal);
  Changes nothing{.witnessed = false};
  co_return co_await commit(std::move(nothing), std::move(refusal));
}

Rendered Session::keep_answer(Changes& changes, const Answer& answer, bool secret) {
  Rendered rendered = call_.render(answer);
  if (call_.idempotency) {
    const auto& request = *call_.idempotency;
    const auto keys = context_.keys();
    const auto& key = keys->idempotency.front();
    const Id id = idempotency::record_id(key, channel().label(), request);
    const auto at = now();
    const auto record = idempotency::keep(key, id, request, rendered, secret, at);
    changes.puts.push_back(context_.put(Table::idempotency, id, record, Queue::idempotency,
                                        at + (secret ? idempotency::kSecretKept : idempotency::kKept)));
  }
  return rendered;
}

base::Task<std::optional<Reply>> Session::replay() {
  const auto& request = *call_.idempotency;
  const auto keys = context_.keys();
  // What was kept before a rotation of the store key is found under the key of then.
  for (const auto& key : keys->idempotency) {
    const Id id = idempotency::record_id(key, channel().label(), request);
    const auto record = context_.load<IdempotencyRecord>(Table::idempotency, id);
    if (!record) co_return Reply(Outage::store_unavailable);
    if (!*record) continue;
    auto kept = idempotency::replay(key, id, request, **record, now());
    if (!kept) continue;
    const auto* refusal = std::get_if<Refusal>(&*kept);
    const bool told = refusal == nullptr;
    // It became durable with what it tells of, and the anchor may have failed after: then the caller was told
    // 503. Attack: (1) take the HSM's writes away, (2) have a PIN blocked, twice with one key, so that the
    // block is confirmed, (3) kill the appliance and put back the file of the last anchor. Nothing is
    // written; it is asked whether the head is anchored.
    if (told) {
      const auto anchored = co_await context_.store.commit(Changes{});
      if (!anchored) co_return outage_of(anchored.error());
    }
    // A client that lost its answer asks again; so does somebody who has its requests.
    if ((*record)->secret && (told || *refusal == Refusal::secret_no_longer_available))
      context_.figures->secret_replay(told);
    if (!told) co_return Reply(call_.render(*refusal));
    co_return Reply(std::get<Rendered>(std::move(*kept)));
  }
  co_return std::nullopt;
}

}  // namespace sigillo::appliance
