// Session: one call on its way through the appliance. It keeps the order that the product promises: turn ->
// look -> charge -> evaluate -> settle -> answer; it is the only caller of Store::charge, and every operation
// that confirms a secret goes through attempt(). It also writes the stored answer of an Idempotency-Key into
// the same commit as what it answers. Thread rule: one coroutine.
#pragma once

#include "context.hpp"
#include "outbox.hpp"

namespace sigillo::appliance {

using sealed_store::Changes;
using sealed_store::ChargedAttempt;
using sealed_store::GuardKey;
using sealed_store::GuardValue;

class Session {
 public:
  Session(const Context& context, const Call& call) : context_(context), call_(call) {}

  const Context& context() const { return context_; }
  const Channel& channel() const { return *call_.channel; }
  const Policy& policy() const { return context_.policy(); }
  base::Instant now() const { return context_.now(); }
  Role role() const { return call_.channel->role; }

  sealed_store::Event event(EventKind kind, const SubjectIndex& subject,
                            EventOutcome outcome = EventOutcome::none, std::string reference = {}) const;
  void set_operator(std::optional<std::string> name) { operator_ = std::move(name); }
  // A turn that is kept to the end of the call.
  void hold(SubjectQueue::Turn turn) { held_.push_back(std::move(turn)); }

  // ---- decisions
  // ----------------------------------------------------------------------------------------------------

  struct Gate {
    GuardKey key;
    guard::Limits limits;
    std::string endpoint;                   // the charge's reference
    bool owned = true;                      // a credential is live
    const SubjectRecord* record = nullptr;  // of a subject's counter, as it stands under the turn
  };
  static GuardKey guard_key(const SubjectIndex& subject, guard::Counter counter);
  Gate gate(const SubjectIndex& subject, guard::Counter counter, std::string endpoint,
            const SubjectRecord& record) const;
  Gate link_gate(const Id& link, std::string endpoint) const;

  // Looks, and charges where the guard is open. Else the Reply is the rejection, nothing was charged.
  base::Task<std::variant<Reply, ChargedAttempt>> charge(Gate gate);

  // Made before a restore and of a subject that it has marked: it may have been used since, and nobody knows.
  // Attack: (1) use a link, (2) have the store of before restored, (3) use it again.
  bool lost_since(base::Instant made, const SubjectIndex& subject, const SubjectRecord& record) const;

  // The whole way of a PIN up to the settle: what is not accepted is settled and answered here.
  struct Accepted {
    ChargedAttempt attempt;
    lifecycle::PinDecision decision;
    SubjectRecord record;
  };
  base::Task<std::variant<Reply, Accepted>> attempt(SubjectIndex subject, SubjectRecord record,
                                                    lifecycle::Use use, std::string endpoint, const Pin& pin);

  // The comparison did not run: the charge is put back, the caller may come again.
  Reply not_evaluated(NotEvaluated evaluation, const std::string& endpoint);
  Rejection rejection(const ChargedAttempt& attempt, const guard::Limits& limits) const;

  // ---- ends
  // ---------------------------------------------------------------------------------------------------------

  // Durable, then answered. `secret`: the answer may be replayed for ten minutes only.
  base::Task<Reply> settle(ChargedAttempt attempt, std::optional<GuardValue> count, EventOutcome outcome,
                           Changes changes, Answer answer, bool secret = false);
  // Wrong: the charge stays, nothing else changes, and the answer says what is left.
  base::Task<Reply> settle_rejected(ChargedAttempt attempt, guard::Limits limits);
  base::Task<Reply> commit(Changes changes, Answer answer, bool secret = false);
  // A rule's refusal: noted in the ledger, then answered.
  base::Task<Reply> deny(const SubjectIndex& subject, Refusal refusal, std::string reference = {});
  // A refusal that is about nobody: kept for its Idempotency-Key, not noted.
  base::Task<Reply> decline(Answer refusal);
  // A read.
  Reply answer(const Answer& answer) const { return call_.render(answer); }
  // Right, but what was to follow failed: the count is settled as right, the caller gets the outage.
  base::Task<Reply> settle_outage(Accepted accepted, const base::Error& cause);
  // As above for what is no PIN: a right token, card or contacts end their counter. `answer` is what the
  // caller gets.
  base::Task<Reply> settle_outage(ChargedAttempt attempt, GuardValue count, Reply answer);

  // ---- Idempotency-Key
  // ----------------------------------------------------------------------------------------------

  // The stored answer, or a refusal, where this key was used before.
  base::Task<std::optional<Reply>> replay();

 private:
  // Delayed or locked: noted, answered, nothing charged.
  base::Task<Reply> refuse(const Gate& gate, const guard::View& view);
  void decided(EventOutcome outcome) const;  // counted, for all and for the channel
  // Raises the alarm for spraying, where this PIN is the one that does; its entry goes into `changes`.
  void watch_spray(const ChargedAttempt& attempt, bool right, bool ends_count, Changes& changes) const;
  Rendered keep_answer(Changes& changes, const Answer& answer, bool secret);

  const Context& context_;
  const Call& call_;
  std::optional<std::string> operator_;
  std::vector<SubjectQueue::Turn> held_;
};

}  // namespace sigillo::appliance
