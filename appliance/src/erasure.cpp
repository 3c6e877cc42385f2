#include "erasure.hpp"

#include <algorithm>
#include <set>

#include <appliance/subject.hpp>

#include "outbox.hpp"

namespace sigillo::appliance {
namespace {

using sealed_store::Changes;
using sealed_store::GuardKey;
using sealed_store::GuardValue;

struct Collected {
  SubjectIndex subject{};
  Changes changes;
  Erased erased;
};

// Only a record that says itself that it is this subject's: no hint of a queue or an entry takes anything
// else away.
template <class T>
base::Result<bool> take(const Context& context, Collected& all, Table table, const Id& id) {
  SIGILLO_TRY(const auto record, context.load<T>(table, id));
  if (!record || record->subject != all.subject) return false;
  all.changes.erases.push_back(record_key(table, id));
  return true;
}

base::Result<void> take_record(const Context& context, Collected& all) {
  const auto key = record_key(Table::subject, all.subject);
  SIGILLO_TRY(const auto sealed, context.store.read(key));
  if (!sealed) return base::ok();
  all.erased.known = true;
  all.changes.erases.push_back(key);
  return base::ok();
}

// All that waits or waited, looked through without holding the couriers up. Nothing of this subject is added
// meanwhile: that takes its turn.
base::Result<std::vector<Id>> find_deliveries(const Context& context, const SubjectIndex& subject) {
  std::vector<Id> found;
  std::vector<Queue> queues;
  for (const Medium medium : {Medium::sms, Medium::email, Medium::pec, Medium::post})
    for (const Queue queue : context.channels.outboxes(medium)) queues.push_back(queue);
  queues.push_back(Queue::delivery);
  for (const Queue queue : queues) {
    SIGILLO_TRY(const auto queued, context.store.members(static_cast<std::uint8_t>(queue)));
    for (const auto& hint : queued) {
      SIGILLO_TRY(const auto record, context.load<DeliveryRecord>(Table::delivery, hint.key.id));
      if (record && record->subject == subject) found.push_back(hint.key.id);
    }
  }
  // One that was acknowledged, or moved, between two looks stands in both.
  std::ranges::sort(found);
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

base::Result<void> take_deliveries(const Context& context, Collected& all, const std::vector<Id>& found) {
  for (const auto& id : found) {
    SIGILLO_TRY(const bool taken, take<DeliveryRecord>(context, all, Table::delivery, id));
    if (taken) ++all.erased.deliveries;
  }
  return base::ok();
}

// A link's counter is by the link's id and guards nothing without it.
base::Result<void> take_links(const Context& context, Collected& all) {
  SIGILLO_TRY(const auto queued, context.store.members(static_cast<std::uint8_t>(Queue::link)));
  for (const auto& hint : queued) {
    SIGILLO_TRY(const bool taken, take<LinkRecord>(context, all, Table::link, hint.key.id));
    if (!taken) continue;
    ++all.erased.links;
    const GuardKey key{hint.key.id, static_cast<std::uint8_t>(guard::Counter::link)};
    if (context.store.guard(key).total() == 0) continue;
    all.changes.events.push_back(count_ended(key, GuardValue{}, context.now()));
    all.changes.events.back().channel = "officer";
  }
  return base::ok();
}

// A contact's record is of all who gave it: this one's use goes, the others' stay. Each in a commit of its
// own, under the contact's turn and no other's but the subject's: whoever has a contact's turn may wait for a
// courier's, and nobody may wait for both in another order.
base::Result<std::size_t> erase_contact_uses(const Context& context, const SubjectIndex& subject) {
  const auto of_subject = [&subject](const ContactUse::Use& one) { return one.subject == subject; };
  SIGILLO_TRY(const auto queued, context.store.members(static_cast<std::uint8_t>(Queue::contact_use)));
  std::size_t erased = 0;
  for (const auto& hint : queued) {
    SIGILLO_TRY(const auto seen, context.load<ContactUse>(Table::contact_use, hint.key.id));
    if (!seen || std::ranges::none_of(seen->uses, of_subject)) continue;
    const auto turn = base::sync_wait(context.queue.enter(hint.key.id));
    SIGILLO_TRY(auto use, context.load<ContactUse>(Table::contact_use, hint.key.id));
    if (!use || std::erase_if(use->uses, of_subject) == 0) continue;
    Changes changes;
    if (use->uses.empty())
      changes.erases.push_back(hint.key);
    else
      changes.puts.push_back(
          context.put(Table::contact_use, hint.key.id, *use, Queue::contact_use, hint.due));
    SIGILLO_CHECK(base::sync_wait(context.store.commit(std::move(changes))));
    ++erased;
  }
  return erased;
}

// By the queue that holds them by subject.
base::Result<void> take_decisions(const Context& context, Collected& all) {
  std::set<Id> conversions, authorizations;
  SIGILLO_TRY(const auto held,
              context.store.due_at(static_cast<std::uint8_t>(Queue::held), held_at(all.subject)));
  for (const auto& hint : held) {
    const bool conversion = hint.key.table == static_cast<std::uint8_t>(Table::conversion);
    (conversion ? conversions : authorizations).insert(hint.key.id);
  }
  for (const auto& id : conversions) {
    SIGILLO_TRY(const bool taken, take<ConversionRecord>(context, all, Table::conversion, id));
    if (taken) ++all.erased.conversions;
  }
  for (const auto& id : authorizations) {
    SIGILLO_TRY(const bool taken, take<AuthorizationRecord>(context, all, Table::authorization, id));
    if (taken) ++all.erased.authorizations;
  }
  return base::ok();
}

}  // namespace

// Attack: (1) guess up to the lock, (2) have the subject erased, on whatever pretext, and ask for a PIN
// again, (3) guess on. No event here has a guard of the subject's own, so that its counters stay as they are.
base::Result<Erased> erase(const Context& context, const SubjectIndex& index, sealed_store::Event event) {
  const auto turn = base::sync_wait(context.queue.enter(index));
  Collected all;
  all.subject = index;
  SIGILLO_TRY(const auto deliveries, find_deliveries(context, index));
  SIGILLO_TRY(all.erased.contact_uses, erase_contact_uses(context, index));
  SIGILLO_CHECK(take_record(context, all));
  SIGILLO_CHECK(take_links(context, all));
  SIGILLO_CHECK(take_decisions(context, all));
  std::vector<SubjectQueue::Turn> couriers;
  for (const Medium medium : {Medium::sms, Medium::email, Medium::pec, Medium::post})
    couriers.push_back(base::sync_wait(context.queue.enter(outbox_turn(medium))));
  SIGILLO_CHECK(take_deliveries(context, all, deliveries));
  const GuardKey pin{index, static_cast<std::uint8_t>(guard::Counter::pin)};
  all.erased.wrong_guesses = context.store.guard(pin).total();
  for (auto& ended : all.changes.events) ended.operator_name = event.operator_name;  // theirs too
  event.subject = index;
  all.changes.events.push_back(std::move(event));
  SIGILLO_TRY(const auto committed, base::sync_wait(context.store.commit(std::move(all.changes))));
  all.erased.seq = committed.last_seq;
  return all.erased;
}

base::Result<Erased> erase(const Context& context, const Subject& subject, sealed_store::Event event) {
  SIGILLO_TRY(const auto index, base::sync_wait(context.index_of(subject)));
  return erase(context, index, std::move(event));
}

}  // namespace sigillo::appliance
