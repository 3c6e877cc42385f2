// Contacts and status.
#include "notices.hpp"
#include "ops.hpp"

namespace sigillo::appliance {
namespace {

constexpr std::size_t kSubjectsPerContact = 5;

std::optional<Registered<std::string>>* registered_of(RegisteredContacts& contacts, Medium medium) {
  switch (medium) {
    case Medium::sms:
      return &contacts.mobile;
    case Medium::email:
      return &contacts.email;
    case Medium::pec:
      return &contacts.pec;
    case Medium::post:
    case Medium::voice:
    case Medium::counter:
      return nullptr;
  }
  std::abort();
}

template <class Stored, class Given>
bool replace(std::optional<Registered<Stored>>& registered, const std::optional<Given>& given,
             base::Instant now) {
  if (!given || (registered && static_cast<const Given&>(registered->value) == *given)) return false;
  Registered<Stored> fresh;
  static_cast<Given&>(fresh.value) = *given;
  fresh.since = now;
  registered = std::move(fresh);
  return true;
}

bool replaces(const RegisteredContacts& known, const Contacts& given) {
  return (known.mobile && given.mobile) || (known.email && given.email) || (known.pec && given.pec) ||
         (known.phone && given.phone) || (known.postal && given.postal);
}

// The change itself, the same for all three roles.
base::Task<std::variant<Reply, ContactsNow>> change(Session& session, Changes& changes,
                                                    const SubjectIndex& index, SubjectRecord& record,
                                                    const ChangeContacts& request) {
  const RegisteredContacts before = record.contacts;
  register_contacts(record.contacts, request.contacts, session.now());
  if (request.health_card) {
    const auto card = health_card_secret(*request.health_card);
    auto verifier =
        co_await session.context().verifier.make(SecretRole::health_card, index, 0, card.expose());
    if (!verifier) co_return Reply(outage_of(verifier.error()));
    record.health_card = *verifier;
  }
  co_await note_contact_use(session, changes, index, request.contacts);
  changes.events.push_back(session.event(EventKind::contacts_changed, index));
  changes.puts.push_back(put_subject(session.context(), index, record));
  add_notices(session.context(), changes, before, index, request.subject.hint(),
              NoticeEvent::contacts_changed, session.now());
  co_return masked(record.contacts);
}

DeliveryState seen(const DeliveryRecord& delivery, base::Instant now) {
  const bool open = delivery.state == DeliveryState::queued || delivery.state == DeliveryState::leased;
  if (open && now >= delivery.expires) return DeliveryState::expired;
  if (delivery.state == DeliveryState::leased && now >= delivery.lease_ends) return DeliveryState::queued;
  return delivery.state;
}

}  // namespace

bool register_contacts(RegisteredContacts& registered, const Contacts& given, base::Instant now) {
  bool changed = replace(registered.mobile, given.mobile, now);
  changed |= replace(registered.email, given.email, now);
  changed |= replace(registered.pec, given.pec, now);
  changed |= replace(registered.phone, given.phone, now);
  changed |= replace(registered.postal, given.postal, now);
  return changed;
}

bool confirm_contact(RegisteredContacts& registered, Medium medium, base::Instant sent) {
  auto* contact = registered_of(registered, medium);
  if (contact == nullptr || !*contact || (*contact)->confirmed) return false;
  // Attack: (1) wait until a half or a link is on its way to the citizen, (2) have the contact replaced by
  // one's own, (3) let the citizen use what came: the new contact would count at once, without its seven
  // days.
  if ((*contact)->since > sent) return false;
  (*contact)->confirmed = true;
  return true;
}

ContactsNow masked(const RegisteredContacts& contacts) {
  const auto shown = [](const auto& contact, auto mask) -> std::optional<std::string> {
    if (!contact) return std::nullopt;
    return mask(contact->value);
  };
  return {shown(contacts.mobile, masked_number), shown(contacts.email, masked_mail),
          shown(contacts.pec, masked_mail), shown(contacts.phone, masked_number),
          shown(contacts.postal, masked_postal)};
}

base::Task<bool> note_contact_use(Session& session, Changes& changes, SubjectIndex subject,
                                  const Contacts& given) {
  bool alarmed = false;
  for (const auto* contact : {&given.mobile, &given.email}) {
    if (!*contact) continue;
    auto index = co_await session.context().index_of_contact(**contact);
    if (!index) continue;  // an alarm is not worth a refusal; the next use is counted
    auto turn = co_await session.context().queue.enter(*index);
    session.hold(std::move(turn));
    auto use = session.context().load<ContactUse>(Table::contact_use, *index);
    ContactUse record = use && *use ? std::move(**use) : ContactUse{};
    std::erase_if(record.uses, [&](const ContactUse::Use& one) {
      return one.subject == subject || session.now() >= one.at + kContactWindow;
    });
    record.uses.push_back({subject, session.now()});
    if (record.uses.size() > kSubjectsPerContact) {
      alarmed = true;
      record.uses.erase(record.uses.begin());  // enough to go on alarming
      changes.events.push_back(session.event(EventKind::shared_contact, subject));
      session.context().figures->alarm(Alarm::shared_contact, session.channel().label());
    }
    changes.puts.push_back(session.context().put(Table::contact_use, *index, record, Queue::contact_use,
                                                 session.now() + kContactWindow));
  }
  co_return alarmed;
}

base::Task<Reply> run(Session& session, const ChangeContacts& request) {
  session.set_operator(request.operator_name);
  if (evidence_expired(session, request.evidence))
    co_return co_await session.decline(Refusal::invalid_evidence);
  auto loaded = co_await load(session, request.subject);
  if (auto* reply = std::get_if<Reply>(&loaded)) co_return std::move(*reply);
  auto& subject = std::get<Loaded>(loaded);
  const auto index = subject.index;
  Changes changes;
  if (session.role() != Role::portal) {
    if (subject.record.generation == 0) co_return co_await session.deny(index, Refusal::no_credential);
    if (session.role() == Role::contact_centre && replaces(subject.record.contacts, request.contacts)) {
      co_return co_await session.deny(index, Refusal::contact_exists);
    }
    if (session.role() == Role::branch) {
      for (const auto counter : {guard::Counter::contacts, guard::Counter::health_card})
        session.context().reissue.note_ended(counter, subject.record, session.now());
    }
    auto changed = co_await change(session, changes, index, subject.record, request);
    if (auto* reply = std::get_if<Reply>(&changed)) co_return std::move(*reply);
    if (session.role() == Role::branch) end_other_counters(session, changes, index);
    Answer answer(std::get<ContactsNow>(std::move(changed)));
    co_return co_await session.commit(std::move(changes), std::move(answer));
  }
  auto shown = co_await session.attempt(index, std::move(subject.record), lifecycle::Use::change_contacts,
                                        "contacts", *request.pin);
  if (auto* reply = std::get_if<Reply>(&shown)) co_return std::move(*reply);
  auto& accepted = std::get<Session::Accepted>(shown);
  auto changed = co_await change(session, changes, index, accepted.record, request);
  if (std::holds_alternative<Reply>(changed)) {
    const base::Error cause(hsm::Errc::unavailable, "health card verifier");
    co_return co_await session.settle_outage(std::move(accepted), cause);
  }
  auto& contacts = std::get<ContactsNow>(changed);
  contacts.decided = true;
  Answer answer(std::move(contacts));
  co_return co_await session.settle(std::move(accepted.attempt), GuardValue{}, EventOutcome::verified,
                                    std::move(changes), std::move(answer));
}

base::Task<Reply> run(Session& session, const GetStatus& request) {
  session.set_operator(request.operator_name);
  auto loaded = co_await load(session, request.subject);
  if (auto* reply = std::get_if<Reply>(&loaded)) co_return std::move(*reply);
  const auto& [index, turn, record] = std::get<Loaded>(loaded);
  StatusView status;
  status.state = state_of(record, session.now());
  // The one function that enforcement uses too: a desk never sees another lock than the citizen meets.
  const auto view = guard::look(session.context().count(index, guard::Counter::pin, record),
                                guard::limits(guard::Counter::pin, session.policy()), session.now());
  status.locked = view.locked;
  // Told in whole seconds: never a moment at which it is still delayed.
  if (view.delayed_until)
    status.delayed_until = {base::seconds((*view.delayed_until - base::Instant{}).seconds_up()).ms};
  if (record.generation > 0) {
    status.credential_id = to_text(record.credential);
    status.level = record.level;
    status.issued_at = record.issued;
    status.first_access_at = record.first_access;
    if (const auto* provisional = std::get_if<Provisional>(&record.state))
      status.expires_at = provisional->expires;
    if (const auto* definitive = std::get_if<Definitive>(&record.state))
      status.expires_at = definitive->expires;
    status.contacts = masked(record.contacts);
  }
  for (const auto& issued : record.deliveries) {
    auto delivery = session.context().load<DeliveryRecord>(Table::delivery, issued.id);
    if (!delivery) co_return Outage::store_unavailable;
    // What was handed over at once left nothing in the outbox, what is made on demand has not left yet, and
    // what became of one is not kept for as long as the credential lives.
    const bool handed = issued.medium == Medium::voice || issued.medium == Medium::counter;
    if (!*delivery && !handed && issued.id != Id{}) continue;
    const auto state = *delivery ? seen(**delivery, session.now())
                       : handed  ? DeliveryState::delivered
                                 : DeliveryState::queued;
    status.deliveries.push_back({issued.half, issued.medium, state});
  }
  Changes changes{.events = {session.event(EventKind::status_read, index)}, .witnessed = false};
  Answer answer(std::move(status));
  co_return co_await session.commit(std::move(changes), std::move(answer));
}

}  // namespace sigillo::appliance
