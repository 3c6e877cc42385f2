// The couriers' side of the outbox: leases, acknowledgements, and what is withdrawn before it left.
#include "ops.hpp"
#include "outbox.hpp"

namespace sigillo::appliance {
namespace {

// Of what stands in the wrong queue, until the sweep has moved it, a lease reads no more than so many.
constexpr std::size_t kOthersMax = 200;

// One that cannot be read is as none, with an alarm: its courier gets the others.
base::Result<std::optional<DeliveryRecord>> find(Session& session, const Id& id) {
  auto found = session.context().load<DeliveryRecord>(Table::delivery, id);
  if (found || !of_one_part(found.error())) return found;
  session.context().figures->unreadable(record_key(Table::delivery, id), found.error());
  return std::optional<DeliveryRecord>();
}

// Attack: (1) let a courier be suspended with halves in its queue, (2) lease them as another of its medium,
// and say `failed` of what one cannot open, until none is left. Each is given and believed about its own
// alone.
bool is_own(const Session& session, const std::vector<ChannelPtr>& couriers, const DeliveryRecord& record) {
  const auto courier = recipient(couriers, record);
  return record.medium == courier_medium(session.role()) && courier &&
         courier->label() == session.channel().label();
}

void lease(Session& session, Changes& changes, Leases& leases, const Id& id, DeliveryRecord record,
           Figures::Deliveries& ended) {
  if (give_up(session.context(), changes, id, record, nullptr, session.now(), ended)) return;
  if (record.state == DeliveryState::leased) ++ended.lapsed;
  record.state = DeliveryState::leased;
  record.courier.value = session.channel().label();
  ++record.attempts;
  record.lease_ends = session.now() + session.policy().delivery.lease;
  leases.deliveries.push_back({to_text(id), record.lease_ends, record.attempts, record.sealed});
  changes.puts.push_back(
      session.context().put(Table::delivery, id, record, outbox_of(session.channel()), record.lease_ends));
}

}  // namespace

base::Task<base::Result<void>> withdraw(Session& session, Changes& changes,
                                        std::vector<IssuedDelivery> deliveries, std::optional<Half> half) {
  std::ranges::sort(deliveries, {}, &IssuedDelivery::medium);
  for (const auto& issued : deliveries) {
    if ((half && issued.half != *half) || issued.id == Id{}) continue;
    if (issued.medium == Medium::voice || issued.medium == Medium::counter) continue;
    auto turn = co_await session.context().queue.enter(outbox_turn(issued.medium));
    session.hold(std::move(turn));
    auto record = session.context().load<DeliveryRecord>(Table::delivery, issued.id);
    if (!record) co_return record.error();
    if (*record && is_open((*record)->state))
      end_delivery(session.context(), changes, issued.id, std::move(**record), DeliveryState::expired,
                   session.now());
  }
  co_return base::ok();
}

base::Task<Reply> run(Session& session, const LeaseDeliveries& request) {
  const Medium medium = *courier_medium(session.role());
  const auto turn = co_await session.context().queue.enter(outbox_turn(medium));
  co_await session.context().dispatcher.hop();
  Leases leases;
  Changes changes;
  Figures::Deliveries ended;
  const auto couriers = session.context().channels.couriers(medium);
  const auto outbox = static_cast<std::uint8_t>(outbox_of(session.channel()));
  std::optional<sealed_store::DueRecord> passed;  // what cannot be leased keeps nobody behind it waiting
  std::size_t others = 0;
  while (changes.puts.size() < request.max && others < kOthersMax) {
    const auto due =
        session.context().store.due(outbox, session.now(), request.max - changes.puts.size(), passed);
    if (!due) co_return Outage::store_unavailable;
    if (due->empty()) break;
    for (const auto& hint : *due) {
      auto found = find(session, hint.key.id);
      if (!found) co_return Outage::store_unavailable;
      if (*found && is_open((*found)->state) && is_own(session, couriers, **found))
        lease(session, changes, leases, hint.key.id, std::move(**found), ended);
      else if (const auto courier = *found ? recipient(couriers, **found) : nullptr;
               courier && outbox_of(*courier) != outbox_of(session.channel()))
        ++others;
    }
    passed = due->back();
  }
  Answer answer(std::move(leases));
  if (changes.puts.empty()) co_return session.answer(answer);
  changes.witnessed = false;  // a lease that is forgotten comes back
  auto reply = co_await session.commit(std::move(changes), std::move(answer));
  if (!std::holds_alternative<Outage>(reply)) session.context().figures->deliveries(medium, ended);
  co_return reply;
}

base::Task<Reply> run(Session& session, const AckDeliveries& request) {
  const Medium medium = *courier_medium(session.role());
  const auto turn = co_await session.context().queue.enter(outbox_turn(medium));
  co_await session.context().dispatcher.hop();
  AckResults results;
  Changes changes;
  Figures::Deliveries ended;
  const auto couriers = session.context().channels.couriers(medium);
  for (const auto& ack : request.acks) {
    const auto id = parse_id(ack.delivery_id);
    std::optional<DeliveryRecord> record;
    if (id) {
      auto found = find(session, *id);
      if (!found) co_return Outage::store_unavailable;
      record = std::move(*found);
    }
    const bool own = record && record->attempts > 0 && is_own(session, couriers, *record);
    const bool seen = std::ranges::any_of(
        results.results, [&](const auto& item) { return item.delivery_id == ack.delivery_id; });
    results.results.push_back({ack.delivery_id, own});
    if (!own || seen || !is_open(record->state)) continue;
    const SubjectIndex subject = record->subject;
    if (ack.delivered) {
      end_delivery(session.context(), changes, *id, std::move(*record), DeliveryState::delivered,
                   session.now());
      ++ended.delivered;
    } else if (record->attempts >= session.policy().delivery.attempts) {
      end_delivery(session.context(), changes, *id, std::move(*record), DeliveryState::failed, session.now());
      ++ended.failed;
    } else {
      // It comes back when its lease would have ended, so that a gateway that fails fast does not burn ten
      // attempts.
      record->state = DeliveryState::queued;
      changes.puts.push_back(session.context().put(Table::delivery, *id, *record,
                                                   outbox_of(session.channel()), record->lease_ends));
    }
    changes.events.push_back(session.event(EventKind::delivery_acknowledged, subject,
                                           ack.delivered ? EventOutcome::delivered : EventOutcome::failed,
                                           ack.delivery_id));
  }
  Answer answer(std::move(results));
  if (changes.puts.empty()) co_return session.answer(answer);
  auto reply = co_await session.commit(std::move(changes), std::move(answer));
  if (!std::holds_alternative<Outage>(reply)) session.context().figures->deliveries(medium, ended);
  co_return reply;
}

}  // namespace sigillo::appliance
