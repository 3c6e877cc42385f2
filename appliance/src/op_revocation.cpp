// Revocation and block: the live credential ends.
#include "links.hpp"
#include "notices.hpp"

namespace sigillo::appliance {
namespace {

// What ending a credential takes with it, whoever ends it: halves that have not left are withdrawn, claims
// that wait become void.
base::Task<base::Result<void>> end_credential(Session& session, Changes& changes, SubjectIndex index,
                                              SubjectRecord& record, SubjectRecord ended, std::string hint,
                                              NoticeEvent notice) {
  record = std::move(ended);
  auto withdrawn = co_await withdraw(session, changes, record.deliveries);
  if (!withdrawn) co_return withdrawn.error();
  SIGILLO_CO_CHECK(turn_deferred(session, changes, index, record, AuthorizationState::void_));
  changes.puts.push_back(put_subject(session.context(), index, record));
  add_notices(session.context(), changes, record.contacts, index, hint, notice, session.now());
  co_return base::ok();
}

base::Task<Reply> revoke_at_branch(Session& session, Loaded& loaded, const Revoke& request) {
  auto& [index, turn, record] = loaded;
  auto ended = lifecycle::revoke(record, lifecycle::RevokedBy::branch, session.now());
  if (const auto* refusal = std::get_if<Refusal>(&ended)) co_return co_await session.deny(index, *refusal);
  Changes changes;
  changes.events.push_back(
      session.event(EventKind::revoked, index, EventOutcome::none, to_text(record.credential)));
  auto done =
      co_await end_credential(session, changes, index, record, std::get<SubjectRecord>(std::move(ended)),
                              request.subject.hint(), NoticeEvent::revoked);
  if (!done) co_return Outage::store_unavailable;
  Answer answer(RevokedNow{false});
  co_return co_await session.commit(std::move(changes), std::move(answer));
}

}  // namespace

base::Task<Reply> run(Session& session, const Revoke& request) {
  session.set_operator(request.operator_name);
  auto loaded = co_await load(session, request.subject);
  if (auto* reply = std::get_if<Reply>(&loaded)) co_return std::move(*reply);
  auto& subject = std::get<Loaded>(loaded);
  if (session.role() == Role::branch) co_return co_await revoke_at_branch(session, subject, request);

  auto& [index, turn, record] = subject;
  const auto where = session.gate(index, guard::Counter::health_card, "revocation", record);
  auto charged = co_await session.charge(where);
  if (auto* refused = std::get_if<Reply>(&charged)) co_return std::move(*refused);
  // No card, no live credential, or a blocked one: the dummy's work, and `rejected`.
  const bool possible = record.health_card && lifecycle::portal_may_revoke(record, session.now());
  const auto shown = health_card_secret(*request.health_card);
  auto evaluation = co_await session.context().verifier.secret(
      std::get<ChargedAttempt>(std::move(charged)), SecretRole::health_card, index,
      possible ? &*record.health_card : nullptr, shown);
  if (auto* failed = std::get_if<NotEvaluated>(&evaluation))
    co_return session.not_evaluated(std::move(*failed), where.endpoint);
  auto& evaluated = std::get<Evaluated>(evaluation);
  if (!evaluated.match)
    co_return co_await session.settle_rejected(std::move(evaluated.attempt), where.limits);
  if (const auto& verifier = session.context().verifier; verifier.outdated(*record.health_card)) {
    auto made = co_await verifier.make(SecretRole::health_card, index, 0, shown.expose());
    if (made) record.health_card = *made;
  }
  Changes changes;
  const bool by_mail = request.contact.email.has_value();
  const auto& known = by_mail ? record.contacts.email : record.contacts.pec;
  const bool registered = known && known->value == *(by_mail ? request.contact.email : request.contact.pec);
  auto to = destination(by_mail ? Medium::email : Medium::pec, request.contact);
  LinkOrder order{false, index, record.credential, request.subject.hint(), std::move(*to), registered};
  auto sent = co_await send_link(session, changes, std::move(order));
  if (auto* reply = std::get_if<Reply>(&sent))
    co_return co_await session.settle_outage(std::move(evaluated.attempt), GuardValue{}, std::move(*reply));
  const Id id = std::get<Id>(sent);
  record.revocation = id;
  session.context().reissue.note_ended(guard::Counter::health_card, record, session.now());
  changes.puts.push_back(put_subject(session.context(), index, record));
  changes.events.push_back(
      session.event(EventKind::revocation_opened, index, EventOutcome::verified, to_text(id)));
  co_await note_contact_use(session, changes, index, request.contact);
  // The link goes to whatever contact was given; the notice goes to those that were there before.
  add_notices(session.context(), changes, record.contacts, index, request.subject.hint(),
              NoticeEvent::revocation_opened, session.now());
  Answer answer(LinkSent{to_text(id), false});
  co_return co_await session.settle(std::move(evaluated.attempt), GuardValue{}, EventOutcome::verified,
                                    std::move(changes), std::move(answer));
}

base::Task<Reply> run(Session& session, const ConfirmRevocation& request) {
  auto confirmed = co_await confirm_link(session, false, request.revocation_id, request.token);
  if (auto* reply = std::get_if<Reply>(&confirmed)) co_return std::move(*reply);
  auto& right = std::get<RightToken>(confirmed);
  auto& [index, turn, record] = right.subject;
  Changes changes;
  // Attack: (1) have a link sent to an address of one's own, (2) use it: what is registered would count at
  // once. So the link was used, and confirms where it went, only where that is the registered contact.
  if (right.link.registered.value) confirm_contact(record.contacts, right.link.medium, right.link.sent);
  auto ended = lifecycle::portal_may_revoke(record, session.now())
                   ? lifecycle::revoke(record, lifecycle::RevokedBy::portal, session.now())
                   : std::variant<Refusal, SubjectRecord>(Refusal::no_credential);
  if (std::holds_alternative<Refusal>(ended)) {
    // Blocked, or ended, since the link went out: as of any link that is dead.
    Answer dead(Rejection{});
    co_return co_await session.settle(std::move(right.attempt), std::nullopt, EventOutcome::refused,
                                      std::move(changes), std::move(dead));
  }
  changes.events.push_back(
      session.event(EventKind::revoked, index, EventOutcome::verified, to_text(record.credential)));
  close_link(session, changes, right);
  auto done =
      co_await end_credential(session, changes, index, record, std::get<SubjectRecord>(std::move(ended)),
                              right.link.subject_hint, NoticeEvent::revoked);
  if (!done)
    co_return co_await session.settle_outage(std::move(right.attempt), GuardValue{}, outage_of(done.error()));
  Answer answer(RevokedNow{true});
  co_return co_await session.settle(std::move(right.attempt), GuardValue{}, EventOutcome::verified,
                                    std::move(changes), std::move(answer));
}

base::Task<Reply> run(Session& session, const Block& request) {
  session.set_operator(request.operator_name);
  auto loaded = co_await load(session, request.subject);
  if (auto* reply = std::get_if<Reply>(&loaded)) co_return std::move(*reply);
  auto& [index, turn, record] = std::get<Loaded>(loaded);
  auto ended = lifecycle::block(record, session.now());
  if (const auto* refusal = std::get_if<Refusal>(&ended)) co_return co_await session.deny(index, *refusal);
  Changes changes;
  changes.events.push_back(
      session.event(EventKind::blocked, index, EventOutcome::none, to_text(record.credential)));
  auto done =
      co_await end_credential(session, changes, index, record, std::get<SubjectRecord>(std::move(ended)),
                              request.subject.hint(), NoticeEvent::blocked);
  if (!done) co_return Outage::store_unavailable;
  Answer answer(BlockedNow{});
  co_return co_await session.commit(std::move(changes), std::move(answer));
}

}  // namespace sigillo::appliance
