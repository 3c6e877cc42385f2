// Conversions by their four routes, with four eyes; and authorizations, granted at once or deferred until
// one.
#include "notices.hpp"
#include "ops.hpp"
#include "receipts.hpp"

namespace sigillo::appliance {
namespace {

// Attack: (1) with the ordinary PIN of one citizen, or as a portal that has some, defer claims without end,
// (2) have the conversion approved: all of them turn in one commit, and every look at one reads them all.
constexpr std::size_t kDeferredMax = 200;

StoredEvidence stored(const Session& session, const Evidence& evidence,
                      const std::optional<std::string>& operator_name) {
  return {evidence.route.value_or(Route::in_person),
          evidence.form_sha256.value_or(""),
          evidence.document.type,
          evidence.document.number,
          evidence.document.sha256.value_or(""),
          operator_name.value_or(""),
          {evidence.document.expires},
          session.now()};
}

// A portal sees its own conversions and claims, a desk and the back office all.
template <class Record>
bool may_see(const Session& session, const Record& record) {
  return session.role() != Role::portal || record.channel == session.channel().label();
}

base::Result<std::vector<DeferredClaim>> deferred_claims(const Session& session,
                                                         const SubjectRecord& record) {
  std::vector<DeferredClaim> out;
  for (const auto& id : record.deferred) {
    SIGILLO_TRY(const auto claim, session.context().load<AuthorizationRecord>(Table::authorization, id));
    if (claim && may_see(session, *claim))
      out.push_back({to_text(id), claim->type, claim->reference, claim->sha256, claim->effective});
  }
  return out;
}

// A conversion and its subject, under the subject's turn. The subject is not in the URL: the record names it.
struct Open {
  Id id;
  Loaded subject;
  ConversionRecord conversion;
};
base::Task<std::variant<Reply, Open>> open(Session& session, const std::string& text) {
  const auto id = parse_id(text);
  if (!id) co_return co_await session.decline(Refusal::not_found);
  const auto found = session.context().load<ConversionRecord>(Table::conversion, *id);
  if (!found) co_return Reply(Outage::store_unavailable);
  if (!*found) co_return co_await session.decline(Refusal::not_found);
  auto loaded = co_await load(session, (*found)->subject);
  if (auto* reply = std::get_if<Reply>(&loaded)) co_return std::move(*reply);
  auto again =
      session.context().load<ConversionRecord>(Table::conversion, *id);  // as it stands under the turn
  if (!again || !*again) co_return Reply(Outage::store_unavailable);
  co_return Open{*id, std::get<Loaded>(std::move(loaded)), std::move(**again)};
}

bool decided(ConversionState state) {
  return state == ConversionState::approved || state == ConversionState::rejected;
}

// A credential that ended since takes its conversion with it, a blocked one too, and so does a restore: that
// one may have been decided.
bool still_open(const Session& session, const Open& open) {
  const auto& [index, turn, record] = open.subject;
  const State state = state_of(record, session.now());
  return (state == State::active || state == State::expired) && record.conversion == open.id &&
         record.credential == open.conversion.credential &&
         !session.lost_since(open.conversion.opened, index, record);
}

// One that ended undecided is closed as much as one that was refused, and is told as that, or whoever follows
// it would wait for a decision that nobody can take any more.
ConversionState shown(const Session& session, const Open& open) {
  const auto stored = open.conversion.state;
  return decided(stored) || still_open(session, open) ? stored : ConversionState::rejected;
}

base::Result<void> approve(Session& session, Changes& changes, const SubjectIndex& index,
                           SubjectRecord& record) {
  record = lifecycle::convert(std::move(record));
  SIGILLO_CHECK(turn_deferred(session, changes, index, record, AuthorizationState::granted));
  changes.puts.push_back(put_subject(session.context(), index, record));
  add_notices(session.context(), changes, record.contacts, index, record.hint, NoticeEvent::converted,
              session.now());
  return base::ok();
}

base::Task<Reply> convert_at_branch(Session& session, Loaded& loaded, const OpenConversion& request) {
  auto& [index, turn, record] = loaded;
  const State state = state_of(record, session.now());
  // Only a definitive PIN converts; at a branch a provisional one is substituted instead.
  if (state != State::active && state != State::expired)
    co_return co_await session.deny(index, Refusal::no_credential);
  if (record.level == Level::dispositive)
    co_return co_await session.deny(index, Refusal::already_dispositive);
  const Id id = random_id();
  const ConversionRecord conversion{index,
                                    record.credential,
                                    ConversionState::approved,
                                    session.channel().label(),
                                    session.now(),
                                    stored(session, *request.evidence, request.operator_name),
                                    request.operator_name,
                                    std::nullopt};
  Changes changes;
  changes.events.push_back(
      session.event(EventKind::conversion_decided, index, EventOutcome::approved, to_text(id)));
  changes.puts.push_back(session.context().put_held(Table::conversion, id, conversion));
  if (!approve(session, changes, index, record)) co_return Outage::store_unavailable;
  Answer answer(ConversionOpened{to_text(id), ConversionState::approved, false});
  co_return co_await session.commit(std::move(changes), std::move(answer));
}

// Who checks receipts refuses a `jti` that was seen before (RFC 7519, 4.1.7): a later one, of what has become
// of a claim, has its own.
ReceiptClaims claims_of(const Session& session, const AuthorizationRecord& record, const Id& jti) {
  ReceiptClaims claims{.audience = channel_uri(session.role(), session.channel().name),
                       .pseudonym = record.pseudonym,
                       .jti = jti,
                       .issued = session.now(),
                       .level = record.level,
                       .presented = Presented::definitive,
                       .scopes = lifecycle::scopes(Presented::definitive, record.level),
                       .seq = record.seq};
  claims.act =
      ReceiptClaims::Act{record.type, record.reference, record.sha256, record.state, record.effective};
  return claims;
}

}  // namespace

base::Result<void> turn_deferred(Session& session, Changes& changes, const SubjectIndex& subject,
                                 SubjectRecord& record, AuthorizationState to) {
  for (const auto& id : record.deferred) {
    SIGILLO_TRY(auto claim, session.context().load<AuthorizationRecord>(Table::authorization, id));
    if (!claim || claim->state != AuthorizationState::deferred) continue;
    claim->state = to;  // `effective` stays the date on which it was made
    if (to == AuthorizationState::granted) claim->level = Level::dispositive;
    changes.puts.push_back(session.context().put_held(Table::authorization, id, *claim));
    changes.events.push_back(session.event(
        EventKind::authorization_turned, subject,
        to == AuthorizationState::granted ? EventOutcome::granted : EventOutcome::voided, to_text(id)));
  }
  record.deferred.clear();
  return base::ok();
}

base::Task<Reply> run(Session& session, const OpenConversion& request) {
  session.set_operator(request.operator_name);
  if (evidence_expired(session, request.evidence))
    co_return co_await session.decline(Refusal::invalid_evidence);
  auto loaded = co_await load(session, request.subject);
  if (auto* reply = std::get_if<Reply>(&loaded)) co_return std::move(*reply);
  auto& subject = std::get<Loaded>(loaded);
  if (session.role() == Role::branch) co_return co_await convert_at_branch(session, subject, request);

  const auto index = subject.index;
  auto shown = co_await session.attempt(index, std::move(subject.record), lifecycle::Use::convert, "convert",
                                        *request.pin);
  if (auto* reply = std::get_if<Reply>(&shown)) co_return std::move(*reply);
  auto& accepted = std::get<Session::Accepted>(shown);
  if (accepted.record.level == Level::dispositive) {
    Changes nothing{.witnessed = false};
    Answer refused(Refusal::already_dispositive);
    co_return co_await session.settle(std::move(accepted.attempt), GuardValue{}, EventOutcome::verified,
                                      std::move(nothing), std::move(refused));
  }
  const Id id = random_id();
  const ConversionRecord conversion{index,
                                    accepted.record.credential,
                                    ConversionState::awaiting_evidence,
                                    session.channel().label(),
                                    session.now(),
                                    std::nullopt,
                                    std::nullopt,
                                    std::nullopt};
  accepted.record.conversion = id;  // an earlier one that was never decided is left behind
  Changes changes;
  changes.events.push_back(
      session.event(EventKind::conversion_opened, index, EventOutcome::verified, to_text(id)));
  changes.puts.push_back(session.context().put_held(Table::conversion, id, conversion));
  changes.puts.push_back(put_subject(session.context(), index, accepted.record));
  Answer answer(ConversionOpened{to_text(id), ConversionState::awaiting_evidence, true});
  co_return co_await session.settle(std::move(accepted.attempt), GuardValue{}, EventOutcome::verified,
                                    std::move(changes), std::move(answer));
}

base::Task<Reply> run(Session& session, const SubmitEvidence& request) {
  session.set_operator(request.operator_name);
  if (evidence_expired(session, request.evidence))
    co_return co_await session.decline(Refusal::invalid_evidence);
  auto opened = co_await open(session, request.conversion_id);
  if (auto* reply = std::get_if<Reply>(&opened)) co_return std::move(*reply);
  auto& it = std::get<Open>(opened);
  if (!may_see(session, it.conversion)) co_return co_await session.decline(Refusal::not_found);
  if (decided(shown(session, it))) {
    co_return co_await session.deny(it.subject.index, Refusal::already_decided, request.conversion_id);
  }
  auto claims = deferred_claims(session, it.subject.record);
  if (!claims) co_return Outage::store_unavailable;
  it.conversion.evidence = stored(session, request.evidence, request.operator_name);
  it.conversion.state = ConversionState::in_review;
  Changes changes;
  changes.events.push_back(session.event(EventKind::evidence_registered, it.subject.index, EventOutcome::none,
                                         request.conversion_id));
  changes.puts.push_back(session.context().put_held(Table::conversion, it.id, it.conversion));
  Answer answer(ConversionView{request.conversion_id, it.conversion.state, std::move(*claims)});
  co_return co_await session.commit(std::move(changes), std::move(answer));
}

base::Task<Reply> run(Session& session, const DecideConversion& request) {
  session.set_operator(request.operator_name);
  auto opened = co_await open(session, request.conversion_id);
  if (auto* reply = std::get_if<Reply>(&opened)) co_return std::move(*reply);
  auto& it = std::get<Open>(opened);
  auto& [index, turn, record] = it.subject;
  if (decided(shown(session, it))) {
    co_return co_await session.deny(index, Refusal::already_decided, request.conversion_id);
  }
  if (!it.conversion.evidence)
    co_return co_await session.deny(index, Refusal::invalid_evidence, request.conversion_id);
  // Attack: (1) register forged evidence as an operator, (2) approve it oneself, in another spelling or by
  // another channel.
  if (same_operator(it.conversion.evidence->operator_name, request.operator_name)) {
    co_return co_await session.deny(index, Refusal::four_eyes, request.conversion_id);
  }
  it.conversion.state = request.approve ? ConversionState::approved : ConversionState::rejected;
  it.conversion.decided_by = request.operator_name;
  it.conversion.reason = request.reason;
  Changes changes;
  changes.events.push_back(session.event(EventKind::conversion_decided, index,
                                         request.approve ? EventOutcome::approved : EventOutcome::refused,
                                         request.conversion_id));
  changes.puts.push_back(session.context().put_held(Table::conversion, it.id, it.conversion));
  if (request.approve) {
    if (!approve(session, changes, index, record)) co_return Outage::store_unavailable;
  } else {
    record.conversion.reset();
    changes.puts.push_back(put_subject(session.context(), index, record));
  }
  Answer answer(ConversionView{request.conversion_id, it.conversion.state, {}});
  co_return co_await session.commit(std::move(changes), std::move(answer));
}

base::Task<Reply> run(Session& session, const GetConversion& request) {
  co_await session.context().dispatcher.hop();  // it begins with the store: no work for the caller's thread
  auto opened = co_await open(session, request.conversion_id);
  if (auto* reply = std::get_if<Reply>(&opened)) co_return std::move(*reply);
  const auto& it = std::get<Open>(opened);
  if (!may_see(session, it.conversion)) co_return session.answer(Refusal::not_found);
  auto claims = deferred_claims(session, it.subject.record);
  if (!claims) co_return Outage::store_unavailable;
  const auto state = shown(session, it);
  if (decided(state)) claims->clear();
  co_return session.answer(ConversionView{request.conversion_id, state, std::move(*claims)});
}

base::Task<Reply> run(Session& session, const Authorize& request) {
  auto loaded = co_await load(session, request.subject);
  if (auto* reply = std::get_if<Reply>(&loaded)) co_return std::move(*reply);
  auto& subject = std::get<Loaded>(loaded);
  const auto index = subject.index;
  auto shown = co_await session.attempt(index, std::move(subject.record), lifecycle::Use::authorize,
                                        "authorize", request.pin);
  if (auto* reply = std::get_if<Reply>(&shown)) co_return std::move(*reply);
  auto& accepted = std::get<Session::Accepted>(shown);
  const bool granted = accepted.record.level == Level::dispositive;
  if (!granted && accepted.record.deferred.size() >= kDeferredMax) {
    Changes denied{.events = {session.event(EventKind::denied, index, EventOutcome::refused, "authorize")}};
    Answer refused(Refusal::deferred_limit);
    co_return co_await session.settle(std::move(accepted.attempt), GuardValue{}, EventOutcome::verified,
                                      std::move(denied), std::move(refused));
  }
  const Id id = random_id();
  AuthorizationRecord record{index,
                             granted ? AuthorizationState::granted : AuthorizationState::deferred,
                             accepted.record.level,
                             session.channel().label(),
                             request.action.type,
                             request.action.reference,
                             request.action.sha256,
                             session.now(),
                             accepted.attempt.seq(),
                             random_id(),
                             {}};
  auto who = co_await pseudonym(session.context(), session.channel().label(), index);
  if (!who) {
    const auto cause = who.error();
    co_return co_await session.settle_outage(std::move(accepted), cause);
  }
  record.pseudonym = *who;
  auto receipt = co_await sign_receipt(session.context(), claims_of(session, record, record.receipt));
  if (!receipt) {
    const auto cause = receipt.error();
    co_return co_await session.settle_outage(std::move(accepted), cause);
  }
  Changes changes;
  changes.events.push_back(session.event(
      EventKind::authorized, index, granted ? EventOutcome::granted : EventOutcome::deferred, to_text(id)));
  changes.puts.push_back(session.context().put_held(Table::authorization, id, record));
  if (!granted) {
    accepted.record.deferred.push_back(id);
    changes.puts.push_back(put_subject(session.context(), index, accepted.record));
  }
  Answer answer(Authorization{to_text(id), record.state, record.effective, std::move(*receipt), true});
  co_return co_await session.settle(std::move(accepted.attempt), GuardValue{}, EventOutcome::verified,
                                    std::move(changes), std::move(answer));
}

base::Task<Reply> run(Session& session, const GetAuthorization& request) {
  const auto id = parse_id(request.authorization_id);
  if (!id) co_return session.answer(Refusal::not_found);
  co_await session.context().dispatcher.hop();
  const auto record = session.context().load<AuthorizationRecord>(Table::authorization, *id);
  if (!record) co_return Outage::store_unavailable;
  if (!*record || (*record)->channel != session.channel().label())
    co_return session.answer(Refusal::not_found);
  auto receipt = co_await sign_receipt(session.context(), claims_of(session, **record, random_id()));
  if (!receipt) co_return outage_of(receipt.error());
  co_return session.answer(Authorization{request.authorization_id, (*record)->state, (*record)->effective,
                                         std::move(*receipt), false});
}

}  // namespace sigillo::appliance
