// Recovery: at the portal by two contacts and a link, at a branch by substitution.
#include "links.hpp"
#include "notices.hpp"

namespace sigillo::appliance {
namespace {

// Each contact given beside the registered one that counts; an empty text where none does.
std::vector<Verifier::ContactPair> pairs(const Session& session, const Contacts& given,
                                         const RegisteredContacts& registered) {
  std::vector<Verifier::ContactPair> out;
  const auto add = [&](const std::optional<std::string>& shown,
                       const std::optional<Registered<std::string>>& known) {
    if (!shown) return;
    const bool counts = known && known->counts(session.now(), session.policy().contacts_quarantine);
    out.push_back({*shown, counts ? known->value : std::string()});
  };
  add(given.mobile, registered.mobile);
  add(given.email, registered.email);
  add(given.pec, registered.pec);
  return out;
}

// First half by SMS, second by e-mail; without a mobile, by PEC and e-mail; without an e-mail, by SMS and
// PEC. Attack: (1) replace one contact with a stolen PIN, (2) wait for a recovery by the two others: a half
// would come to the new one. So only contacts that count receive one.
std::variant<Refusal, std::vector<Leg>> legs_of(const Session& session, RegisteredContacts registered) {
  for (auto* contact : {&registered.mobile, &registered.email, &registered.pec}) {
    if (*contact && !(*contact)->counts(session.now(), session.policy().contacts_quarantine))
      contact->reset();
  }
  const Contacts contacts = plain(registered);
  std::vector<Medium> ways;
  if (contacts.mobile) ways.push_back(Medium::sms);
  if (contacts.pec && !contacts.mobile) ways.push_back(Medium::pec);
  if (contacts.email) ways.push_back(Medium::email);
  if (contacts.pec && ways.size() == 1 && ways.front() == Medium::sms) ways.push_back(Medium::pec);
  if (ways.size() != 2) return Refusal::delivery_not_possible;
  std::vector<Leg> legs;
  legs.push_back({Half::first, *destination(ways[0], contacts)});
  legs.push_back({Half::second, *destination(ways[1], contacts)});
  return legs;
}

base::Task<Reply> substitute(Session& session, Loaded& loaded, const Recover& request) {
  auto& [index, turn, record] = loaded;
  const lifecycle::Issue asked{lifecycle::Way::substitution};
  const auto decision = lifecycle::decide(record, asked, session.policy(), session.now());
  if (const auto* refusal = std::get_if<Refusal>(&decision)) co_return co_await session.deny(index, *refusal);
  Changes changes;
  const RegisteredContacts before = record.contacts;
  register_contacts(record.contacts, request.contacts, session.now());
  co_await note_contact_use(session, changes, index, request.contacts);
  IssueOrder order{
      index, request.subject.hint(), asked.way, std::get<lifecycle::IssueDecision>(decision), {}};
  order.legs.push_back({Half::whole, *destination(Medium::counter, {})});
  const auto count = count_before(session, index, record);
  auto issued = co_await issue(session, changes, std::move(record), std::move(order));
  if (auto* reply = std::get_if<Reply>(&issued)) co_return std::move(*reply);
  auto& done = std::get<IssuedCredential>(issued);
  auto event = session.event(EventKind::substituted, index, EventOutcome::none, done.answer.credential_id);
  set_count(session, event, index, count, lifecycle::CountEffect::end_all);
  changes.events.push_back(std::move(event));
  end_other_counters(session, changes, index);
  add_notices(session.context(), changes, before, index, request.subject.hint(), NoticeEvent::substituted,
              session.now());
  Answer answer(std::move(done.answer));
  co_return co_await session.commit(std::move(changes), std::move(answer), true);
}

// The contacts matched: a link, or why not. `attempt` is settled with whatever it is.
base::Task<Reply> matched(Session& session, Loaded& loaded, ChargedAttempt attempt, const Recover& request) {
  auto& [index, turn, record] = loaded;
  Changes changes;
  std::optional<Answer> answer;
  EventOutcome outcome = EventOutcome::verified;
  const lifecycle::Issue asked{lifecycle::Way::recovery};
  const auto decision = lifecycle::decide(record, asked, session.policy(), session.now());
  const auto* refusal = std::get_if<Refusal>(&decision);
  bool changed = false;
  switch (lifecycle::recoverable(record, session.now())) {
    case lifecycle::Recoverable::never_accessed:
      answer.emplace(NotEligible{});
      outcome = EventOutcome::not_eligible;
      break;
    case lifecycle::Recoverable::no:
      // Contacts of a subject without a live credential: told to nobody, so the charge stays.
      co_return co_await session.settle_rejected(std::move(attempt),
                                                 guard::limits(guard::Counter::contacts, session.policy()));
    case lifecycle::Recoverable::yes:
      if (refusal != nullptr) {
        answer.emplace(*refusal);
      } else {
        auto to = destination(request.contacts.email ? Medium::email : Medium::pec, request.contacts);
        LinkOrder order{true, index, record.credential, request.subject.hint(), std::move(*to)};
        auto sent = co_await send_link(session, changes, std::move(order));
        if (auto* reply = std::get_if<Reply>(&sent))
          co_return co_await session.settle_outage(std::move(attempt), GuardValue{}, std::move(*reply));
        const Id id = std::get<Id>(sent);
        record.recovery = id;
        changed = true;
        changes.events.push_back(
            session.event(EventKind::recovery_opened, index, EventOutcome::verified, to_text(id)));
        answer.emplace(LinkSent{to_text(id), true});
      }
      break;
  }
  changed |= session.context().reissue.note_ended(guard::Counter::contacts, record, session.now());
  if (changed) changes.puts.push_back(put_subject(session.context(), index, record));
  co_return co_await session.settle(std::move(attempt), GuardValue{}, outcome, std::move(changes),
                                    std::move(*answer));
}

}  // namespace

base::Task<Reply> run(Session& session, const Recover& request) {
  session.set_operator(request.operator_name);
  if (evidence_expired(session, request.evidence))
    co_return co_await session.decline(Refusal::invalid_evidence);
  auto loaded = co_await load(session, request.subject);
  if (auto* reply = std::get_if<Reply>(&loaded)) co_return std::move(*reply);
  auto& subject = std::get<Loaded>(loaded);
  if (session.role() == Role::branch) co_return co_await substitute(session, subject, request);

  const auto where = session.gate(subject.index, guard::Counter::contacts, "recovery", subject.record);
  auto charged = co_await session.charge(where);
  if (auto* refused = std::get_if<Reply>(&charged)) co_return std::move(*refused);
  auto evaluated =
      session.context().verifier.contacts(std::get<ChargedAttempt>(std::move(charged)),
                                          pairs(session, request.contacts, subject.record.contacts));
  if (evaluated.match) co_return co_await matched(session, subject, std::move(evaluated.attempt), request);
  co_return co_await session.settle_rejected(std::move(evaluated.attempt), where.limits);
}

base::Task<Reply> run(Session& session, const ConfirmRecovery& request) {
  auto confirmed = co_await confirm_link(session, true, request.recovery_id, request.token);
  if (auto* reply = std::get_if<Reply>(&confirmed)) co_return std::move(*reply);
  auto& right = std::get<RightToken>(confirmed);
  auto& [index, turn, record] = right.subject;
  Changes changes;
  const lifecycle::Issue asked{lifecycle::Way::recovery};
  const auto decision = lifecycle::decide(record, asked, session.policy(), session.now());
  const RegisteredContacts before = record.contacts;
  confirm_contact(record.contacts, right.link.medium, right.link.sent);  // the link was used
  auto legs = legs_of(session, record.contacts);
  const Refusal* refusal = std::get_if<Refusal>(&decision);
  if (refusal == nullptr) refusal = std::get_if<Refusal>(&legs);
  if (refusal != nullptr) {
    Answer refused(*refusal);
    co_return co_await session.settle(std::move(right.attempt), GuardValue{}, EventOutcome::verified,
                                      std::move(changes), std::move(refused));
  }
  close_link(session, changes, right);
  IssueOrder order{index, right.link.subject_hint, asked.way, std::get<lifecycle::IssueDecision>(decision),
                   std::get<std::vector<Leg>>(std::move(legs))};
  const auto count = count_before(session, index, record);
  auto issued = co_await issue(session, changes, std::move(record), std::move(order));
  if (auto* reply = std::get_if<Reply>(&issued))
    co_return co_await session.settle_outage(std::move(right.attempt), GuardValue{}, std::move(*reply));
  auto& done = std::get<IssuedCredential>(issued);
  auto event = session.event(EventKind::recovered, index, EventOutcome::verified, done.answer.credential_id);
  set_count(session, event, index, count, lifecycle::CountEffect::end_all);
  changes.events.push_back(std::move(event));
  add_notices(session.context(), changes, before, index, right.link.subject_hint, NoticeEvent::recovered,
              session.now());
  done.answer.decided = true;
  Answer answer(std::move(done.answer));
  co_return co_await session.settle(std::move(right.attempt), GuardValue{}, EventOutcome::verified,
                                    std::move(changes), std::move(answer));
}

}  // namespace sigillo::appliance
