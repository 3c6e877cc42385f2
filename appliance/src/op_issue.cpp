// Requests of a PIN, halves made anew, and the issue of a credential that recovery and substitution share.
#include "notices.hpp"
#include "ops.hpp"

namespace sigillo::appliance {
namespace {

bool electronic(Medium medium) {
  return medium == Medium::sms || medium == Medium::email || medium == Medium::pec;
}

MessageKind kind_of(Half half) {
  switch (half) {
    case Half::first:
      return MessageKind::first_half;
    case Half::second:
      return MessageKind::second_half;
    case Half::whole:
      return MessageKind::whole;
  }
  std::abort();
}

std::optional<Medium> first_electronic(const Contacts& contacts) {
  if (contacts.mobile) return Medium::sms;
  if (contacts.email) return Medium::email;
  if (contacts.pec) return Medium::pec;
  return std::nullopt;
}

// By which ways the two halves leave: never one way for both, never without an address.
std::variant<Refusal, std::vector<Leg>> legs_of(Role role, const RequestPin& request) {
  std::vector<Leg> legs;
  const auto add = [&](Half half, std::optional<Medium> medium) {
    auto to = medium ? destination(*medium, request.contacts) : std::nullopt;
    if (!to) return false;
    legs.push_back({half, std::move(*to)});
    return true;
  };
  bool possible = false;
  if (role == Role::branch) {
    possible = add(Half::whole, Medium::counter);
  } else if (role == Role::contact_centre) {
    possible = add(Half::first, Medium::post) && add(Half::second, Medium::voice);
  } else {
    possible = add(Half::first,
                   request.first_half_by ? request.first_half_by : first_electronic(request.contacts)) &&
               add(Half::second, Medium::post);
  }
  if (!possible) return Refusal::delivery_not_possible;
  return legs;
}

lifecycle::Way way_of(Role role) {
  if (role == Role::branch) return lifecycle::Way::branch;
  return role == Role::contact_centre ? lifecycle::Way::contact_centre : lifecycle::Way::portal;
}

base::Duration on_demand_validity(const Policy& policy, Medium medium) {
  return medium == Medium::sms ? policy.delivery.sms_validity : policy.delivery.email_validity;
}

// Draws one half, makes its verifier and sends it; the view is what the caller may see of it.
struct MadeHalf {
  ProvisionalHalf half;
  DeliveryView view;
};
base::Task<std::variant<Reply, MadeHalf>> make_half(Session& session, Changes& changes, SubjectIndex subject,
                                                    std::uint32_t generation, Half half, Parcel parcel,
                                                    const Pin& pin) {
  const auto& context = session.context();
  const auto role = half == Half::first ? SecretRole::first_half : SecretRole::second_half;
  auto verifier = co_await context.verifier.make(role, subject, generation, pin.characters());
  if (!verifier) co_return Reply(outage_of(verifier.error()));
  MadeHalf made{{*verifier, parcel.to.medium, {}, session.now()},
                {{}, half, parcel.to.medium, parcel.to.masked(), std::nullopt}};
  const auto shown = pin.shown();
  parcel.secret = &shown;
  if (parcel.to.medium == Medium::voice) {
    auto handed = hand_over(context, session.channel(), parcel, session.now());
    if (auto* refusal = std::get_if<Refusal>(&handed)) co_return co_await session.decline(*refusal);
    made.view.delivery_id = to_text(std::get<Handed>(handed).id);
    made.view.sealed = std::move(std::get<Handed>(handed).sealed);
  } else {
    auto posted = post(context, changes, parcel, session.now());
    if (auto* refusal = std::get_if<Refusal>(&posted)) co_return co_await session.decline(*refusal);
    made.view.delivery_id = to_text(std::get<Id>(posted));
  }
  co_return made;
}

struct Halves {
  Pin first, second;
};
base::Task<base::Result<Halves>> draw_halves(Session& session) {
  auto random = co_await session.context().dispatcher.random(2 * kRandomPerHalf);
  if (!random) co_return random.error();
  const base::Secret first(random->expose().first(kRandomPerHalf));
  const base::Secret second(random->expose().last(kRandomPerHalf));
  co_return Halves{Pin::from_random(first), Pin::from_random(second)};
}

}  // namespace

base::Task<std::variant<Reply, Loaded>> load(Session& session, const Subject& subject) {
  auto index = co_await session.context().index_of(subject);
  if (!index) co_return Reply(outage_of(index.error()));
  co_return co_await load(session, *index);
}

base::Task<std::variant<Reply, Loaded>> load(Session& session, SubjectIndex index) {
  auto turn = co_await session.context().queue.enter(index);
  auto record = session.context().load_subject(index);
  if (!record) co_return Reply(Outage::store_unavailable);
  co_return Loaded{index, std::move(turn), std::move(*record)};
}

sealed_store::Put put_subject(const Context& context, const SubjectIndex& index,
                              const SubjectRecord& record) {
  // The subject's queue holds it while something in it will have to be erased: a provisional credential's
  // verifiers.
  const auto* provisional = std::get_if<Provisional>(&record.state);
  if (provisional != nullptr)
    return context.put(Table::subject, index, record, Queue::subject, provisional->expires);
  return context.put(Table::subject, index, record);
}

base::Task<std::variant<Reply, IssuedCredential>> issue(Session& session, Changes& changes,
                                                        SubjectRecord record, IssueOrder order) {
  const auto& context = session.context();
  auto halves = co_await draw_halves(session);
  if (!halves) co_return Reply(outage_of(halves.error()));
  const std::uint32_t generation = record.generation + 1;
  record.hint = order.hint;
  lifecycle::Issued issued{order.decision, random_id(), {}};
  const base::Instant expires = session.now() + session.policy().credential.provisional_validity;
  IssuedCredential out{{to_text(issued.credential), State::provisional, order.decision.level, expires, {}},
                       false};
  auto withdrawn = co_await withdraw(session, changes, std::move(record.deliveries));
  if (!withdrawn) co_return Reply(Outage::store_unavailable);
  record.deliveries.clear();

  for (const auto& leg : order.legs) {
    Parcel parcel{kind_of(leg.half), leg.to, order.subject, order.hint, nullptr, {}, expires, std::nullopt};
    if (leg.half == Half::whole) {
      for (const Half half : {Half::first, Half::second}) {
        const auto role = half == Half::first ? SecretRole::first_half : SecretRole::second_half;
        const Pin& pin = half == Half::first ? halves->first : halves->second;
        auto verifier = co_await context.verifier.make(role, order.subject, generation, pin.characters());
        if (!verifier) co_return Reply(outage_of(verifier.error()));
        (half == Half::first ? issued.halves.first : issued.halves.second) =
            ProvisionalHalf{*verifier, Medium::counter, {}, session.now()};
      }
      issued.halves.counter = true;
      const auto whole = base::Secret::concat({halves->first.characters(), halves->second.characters()});
      const auto shown = Pin::parse(whole.expose())->shown();
      parcel.secret = &shown;
      auto handed = hand_over(context, session.channel(), parcel, session.now());
      if (auto* refusal = std::get_if<Refusal>(&handed)) co_return co_await session.decline(*refusal);
      auto& done = std::get<Handed>(handed);
      record.deliveries.push_back({done.id, Half::whole, Medium::counter});
      out.answer.deliveries.push_back(
          {to_text(done.id), Half::whole, Medium::counter, leg.to.masked(), std::move(done.sealed)});
      out.secret = true;
      continue;
    }
    const bool on_demand =
        electronic(leg.to.medium) && session.policy().delivery.electronic_half == ElectronicHalf::on_demand;
    if (on_demand && order.way != lifecycle::Way::recovery) {
      record.deliveries.push_back({Id{}, leg.half, leg.to.medium});  // made when it is asked for
      continue;
    }
    if (leg.to.medium == Medium::post) {
      auto noted = lifecycle::send_half(std::move(record), Medium::post, lifecycle::LetterRule::counted_only,
                                        session.policy(), session.now());
      record = std::get<SubjectRecord>(std::move(noted));
    }
    const Pin& pin = leg.half == Half::first ? halves->first : halves->second;
    // Who recovers is online: a half goes at once, and dies as soon as one that was asked for.
    base::Instant dies{};
    if (on_demand) {
      dies = std::min(expires, session.now() + on_demand_validity(session.policy(), leg.to.medium));
      parcel.expires = dies;
    }
    auto made =
        co_await make_half(session, changes, order.subject, generation, leg.half, std::move(parcel), pin);
    if (auto* reply = std::get_if<Reply>(&made)) co_return std::move(*reply);
    auto& half = std::get<MadeHalf>(made);
    half.half.dies = dies;
    (leg.half == Half::first ? issued.halves.first : issued.halves.second) = half.half;
    record.deliveries.push_back({*parse_id(half.view.delivery_id), leg.half, leg.to.medium});
    out.secret = out.secret || half.view.sealed.has_value();
    out.answer.deliveries.push_back(std::move(half.view));
  }

  record = lifecycle::apply(std::move(record), std::move(issued), session.policy(), session.now());
  if (order.decision.grants_deferred) {
    const auto turned = turn_deferred(session, changes, order.subject, record, AuthorizationState::granted);
    if (!turned) co_return Reply(Outage::store_unavailable);
  }
  changes.puts.push_back(put_subject(context, order.subject, record));
  co_return out;
}

bool evidence_expired(const Session& session, const std::optional<Evidence>& evidence) {
  return evidence && evidence->document.expires < Date::of(session.now());
}

CountBefore count_before(const Session& session, const SubjectIndex& subject, const SubjectRecord& record) {
  return {session.context().count(subject, guard::Counter::pin, record), record.generation > 0};
}

void set_count(const Session& session, sealed_store::Event& event, const SubjectIndex& subject,
               const CountBefore& before, lifecycle::CountEffect effect) {
  const auto key = Session::guard_key(subject, guard::Counter::pin);
  GuardValue value = before.value;
  switch (effect) {
    case lifecycle::CountEffect::end_all:
      value = {};
      break;
    case lifecycle::CountEffect::end_unowned:
      value.unowned = 0;
      // The mark of who never had a credential stands for failures that nobody's PIN was charged with. Who
      // had one that lapsed keeps it, as any lock is kept.
      if (!before.issued_once && guard::awaits_reissue(value)) value = {};
      break;
  }
  if (!(value == session.context().store.guard(key))) event.guard.emplace(key, value);
}

void end_other_counters(const Session& session, Changes& changes, const SubjectIndex& subject) {
  for (const auto counter : {guard::Counter::contacts, guard::Counter::health_card}) {
    const auto key = Session::guard_key(subject, counter);
    if (session.context().store.guard(key).total() == 0) continue;
    auto event = session.event(EventKind::count_ended, subject);
    event.guard.emplace(key, GuardValue{});
    changes.events.push_back(std::move(event));
  }
}

base::Task<Reply> run(Session& session, const RequestPin& request) {
  session.set_operator(request.operator_name);
  auto legs = legs_of(session.role(), request);
  if (auto* refusal = std::get_if<Refusal>(&legs)) co_return co_await session.decline(*refusal);
  if (evidence_expired(session, request.evidence))
    co_return co_await session.decline(Refusal::invalid_evidence);
  auto loaded = co_await load(session, request.subject);
  if (auto* reply = std::get_if<Reply>(&loaded)) co_return std::move(*reply);
  auto& [index, turn, record] = std::get<Loaded>(loaded);

  const auto& registered = record.contacts.postal;
  const bool same_postal =
      registered && request.contacts.postal && *request.contacts.postal == registered->value;
  const lifecycle::Issue asked{way_of(session.role()), same_postal};
  const auto decision = lifecycle::decide(record, asked, session.policy(), session.now());
  if (const auto* refusal = std::get_if<Refusal>(&decision)) {
    if (session.role() != Role::portal) co_return co_await session.deny(index, *refusal);
    // What tells a portal that a subject exists, whichever 409 it is: counted, and alarmed.
    session.context().figures->alarm(Alarm::existence_told, session.channel().label());
    Changes told{.events = {session.event(EventKind::existence_told, index, EventOutcome::refused)},
                 .witnessed = false};
    co_return co_await session.commit(std::move(told), *refusal);
  }

  Changes changes;
  const RegisteredContacts before = record.contacts;
  const bool first_ever = record.generation == 0;
  const bool contacts_change =
      register_contacts(record.contacts, request.contacts, first_ever ? base::Instant{} : session.now());
  if (request.health_card) {
    const auto card = health_card_secret(*request.health_card);
    auto verifier =
        co_await session.context().verifier.make(SecretRole::health_card, index, 0, card.expose());
    if (!verifier) co_return outage_of(verifier.error());
    record.health_card = *verifier;
  }
  if (request.representative) {
    auto representative = co_await session.context().index_of(*request.representative);
    if (!representative) co_return outage_of(representative.error());
    record.representative = base::to_hex(*representative);
  }
  co_await note_contact_use(session, changes, index, request.contacts);
  IssueOrder order{index, request.subject.hint(), asked.way, std::get<lifecycle::IssueDecision>(decision),
                   std::get<std::vector<Leg>>(std::move(legs))};
  const auto effect = order.decision.count;
  const auto count = count_before(session, index, record);
  auto issued = co_await issue(session, changes, std::move(record), std::move(order));
  if (auto* reply = std::get_if<Reply>(&issued)) co_return std::move(*reply);
  auto& done = std::get<IssuedCredential>(issued);
  auto event = session.event(EventKind::requested, index, EventOutcome::none, done.answer.credential_id);
  set_count(session, event, index, count, effect);
  changes.events.push_back(std::move(event));
  if (session.role() == Role::branch) end_other_counters(session, changes, index);
  // Of a first request nobody was there before; a later one may change where the next link goes.
  const bool tell = !first_ever && (session.role() == Role::branch || contacts_change);
  if (tell) {
    const auto what =
        session.role() == Role::branch ? NoticeEvent::branch_issued : NoticeEvent::contacts_changed;
    add_notices(session.context(), changes, before, index, request.subject.hint(), what, session.now());
  }
  Answer answer(std::move(done.answer));
  co_return co_await session.commit(std::move(changes), std::move(answer), done.secret);
}

base::Task<Reply> run(Session& session, const RemakeHalf& request) {
  session.set_operator(request.operator_name);
  auto loaded = co_await load(session, request.subject);
  if (auto* reply = std::get_if<Reply>(&loaded)) co_return std::move(*reply);
  auto& [index, turn, record] = std::get<Loaded>(loaded);
  if (record.generation == 0 || to_text(record.credential) != request.credential_id)
    co_return co_await session.decline(Refusal::not_found);
  if (state_of(record, session.now()) != State::provisional) {
    co_return co_await session.deny(index, Refusal::not_provisional, request.credential_id);
  }
  const auto planned = std::ranges::find_if(record.deliveries,
                                            [&](const IssuedDelivery& d) { return d.half == request.half; });
  if (planned == record.deliveries.end())
    co_return co_await session.decline(Refusal::delivery_not_possible);  // a counter PIN
  const Medium medium = planned->medium;
  auto to = destination(medium, plain(record.contacts));
  if (!to || (medium == Medium::voice && session.role() != Role::contact_centre)) {
    co_return co_await session.decline(Refusal::delivery_not_possible);
  }
  auto allowed =
      lifecycle::send_half(record, medium, lifecycle::LetterRule::refusable, session.policy(), session.now());
  if (const auto* refusal = std::get_if<Refusal>(&allowed))
    co_return co_await session.deny(index, *refusal, request.credential_id);
  record = std::get<SubjectRecord>(std::move(allowed));

  auto halves = co_await draw_halves(session);
  if (!halves) co_return outage_of(halves.error());
  auto& provisional = std::get<Provisional>(record.state);
  const bool on_demand =
      electronic(medium) && session.policy().delivery.electronic_half == ElectronicHalf::on_demand;
  const base::Instant dies =
      on_demand ? std::min(provisional.expires, session.now() + on_demand_validity(session.policy(), medium))
                : provisional.expires;
  Changes changes;
  Parcel parcel{kind_of(request.half), std::move(*to), index, request.subject.hint(), nullptr, {}, dies,
                std::nullopt};
  auto withdrawn = co_await withdraw(session, changes, record.deliveries, request.half);
  if (!withdrawn) co_return Outage::store_unavailable;
  auto made = co_await make_half(session, changes, index, record.generation, request.half, std::move(parcel),
                                 halves->first);
  if (auto* reply = std::get_if<Reply>(&made)) co_return std::move(*reply);
  auto& half = std::get<MadeHalf>(made);
  half.half.dies = dies;
  (request.half == Half::first ? provisional.first : provisional.second) = half.half;
  for (auto& delivery : record.deliveries) {
    if (delivery.half == request.half) delivery.id = *parse_id(half.view.delivery_id);
  }
  changes.puts.push_back(put_subject(session.context(), index, record));
  changes.events.push_back(
      session.event(EventKind::half_remade, index, EventOutcome::none, half.view.delivery_id));
  const bool secret = half.view.sealed.has_value();
  HalfRemade remade;
  remade.deliveries.push_back(std::move(half.view));
  Answer answer(std::move(remade));
  co_return co_await session.commit(std::move(changes), std::move(answer), secret);
}

}  // namespace sigillo::appliance
