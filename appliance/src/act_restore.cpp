// A store of before, put back into service by two officers: what is written into the candidate so that a
// restore gives nothing back that was spent (docs/GUESS_LIMIT.md).
#include <algorithm>
#include <set>

#include <boost/json/serialize.hpp>

#include "actions.hpp"
#include "erasure.hpp"
#include "key_uses.hpp"
#include "restoration.hpp"
#include "rotation.hpp"

namespace sigillo::appliance {
namespace {

namespace json = boost::json;
using sealed_store::Changes;

constexpr std::size_t kEventsACommit = 500;
constexpr const char* kAgain =
    "The appliance still refuses its store. Correct that, and run the same command again, with a new act.";

// Commits, some hundred events at a time.
class Writer {
 public:
  explicit Writer(ActionCall& call) : call_(call) {}
  base::Result<void> add(sealed_store::Event event) {
    changes_.events.push_back(std::move(event));
    return changes_.events.size() >= kEventsACommit ? commit() : base::ok();
  }
  void put(sealed_store::Put put) { changes_.puts.push_back(std::move(put)); }
  base::Result<void> commit() {
    if (changes_.events.empty() && changes_.puts.empty()) return base::ok();
    const auto committed = base::sync_wait(call_.context().store.commit(std::exchange(changes_, Changes())));
    if (!committed) return committed.error();
    return base::ok();
  }

 private:
  ActionCall& call_;
  Changes changes_;
};

// The entry that declares the break, and the moment that everybody's marks hang on: later than all that
// anybody was answered, so that whoever is issued a credential from now on has it after.
base::Result<base::Instant> declare(ActionCall& call) {
  const auto& restoration = *call.restoration;
  const auto& anchor = restoration.anchor();
  auto at = std::max(call.context().now(), restoration.tail().end.time);
  if (anchor) at = std::max(at, anchor->time);
  at = {at.ms + 1};
  const bool all = !restoration.everybody().empty();
  SIGILLO_TRY(const auto last, call.context().load<RestoreRecord>(Table::restore, Id{}));
  RestoreRecord record{at, last ? last->reissue_before : std::nullopt, 0, {}};
  if (all) record.reissue_before = at;
  if (anchor) {
    record.replaced_seq = anchor->seq;
    record.replaced_hash = anchor->hash;
  }
  auto event = call.event(EventKind::restored);
  event.time = at;
  event.attempt = restoration.snapshot().seq;
  event.reference = std::to_string(record.replaced_seq) + ':' + base::to_hex(record.replaced_hash) + ':' +
                    (all ? "all" : std::to_string(restoration.marked().size()));
  Writer writer(call);
  writer.put(call.context().put(Table::restore, Id{}, record));
  SIGILLO_CHECK(writer.add(std::move(event)));
  SIGILLO_CHECK(writer.commit());
  return at;
}

// Who is marked needs no count of a PIN; every other counter is what the lost ledger made it. None is ever
// less for it than the lost store's was.
base::Result<void> write_counters(ActionCall& call, base::Instant at) {
  const auto& tail = call.restoration->tail();
  std::set<SubjectIndex> marked;
  Writer writer(call);
  for (const auto& subject : call.restoration->marked()) {
    marked.insert(subject);
    auto event = call.event(EventKind::reissue_marked);
    event.subject = subject;
    event.guard.emplace(sealed_store::GuardKey{subject, static_cast<std::uint8_t>(guard::Counter::pin)},
                        guard::reissue_mark(at));
    SIGILLO_CHECK(writer.add(std::move(event)));
  }
  for (const auto& [key, value] : tail.counters) {
    const bool pin = key.counter == static_cast<std::uint8_t>(guard::Counter::pin);
    if ((pin && marked.contains(key.subject)) || call.context().store.guard(key) == value) continue;
    auto event = call.event(EventKind::count_restored);
    event.subject = key.subject;
    event.guard.emplace(key, value);
    SIGILLO_CHECK(writer.add(std::move(event)));
  }
  return writer.commit();
}

// Contacts that were given after the snapshot are lost, and those of before may have been given up for a
// reason: they wait as replaced ones do before they count for a recovery.
base::Result<void> distrust_contacts(ActionCall& call, base::Instant at) {
  Writer writer(call);
  for (const auto& subject : call.restoration->tail().contacts) {
    SIGILLO_TRY(auto record, call.context().load<SubjectRecord>(Table::subject, subject));
    if (!record) continue;
    for (auto* contact : {&record->contacts.mobile, &record->contacts.email, &record->contacts.pec}) {
      if (*contact) (*contact)->since = at;
      if (*contact) (*contact)->confirmed = false;
    }
    const auto* halves = std::get_if<Provisional>(&record->state);
    writer.put(call.context().put(Table::subject, subject, *record,
                                  halves != nullptr ? Queue::subject : Queue::none,
                                  halves != nullptr ? halves->expires : base::Instant{}));
    SIGILLO_CHECK(writer.commit());
  }
  return base::ok();
}

base::Result<void> turn_authorizations(ActionCall& call) {
  Writer writer(call);
  for (const auto& [id, state] : call.restoration->tail().authorizations) {
    SIGILLO_TRY(auto claim, call.context().load<AuthorizationRecord>(Table::authorization, id));
    if (!claim || claim->state != AuthorizationState::deferred) continue;
    const bool granted = state == AuthorizationState::granted;
    claim->state = state;
    if (granted) claim->level = Level::dispositive;
    auto event = call.event(EventKind::authorization_turned);
    event.subject = claim->subject;
    event.outcome = static_cast<std::uint16_t>(granted ? EventOutcome::granted : EventOutcome::voided);
    event.reference = to_text(id);
    writer.put(call.context().put_held(Table::authorization, id, *claim));
    SIGILLO_CHECK(writer.add(std::move(event)));
  }
  return writer.commit();
}

// What was suspended or revoked since stays so; what was renewed has another key by now.
base::Result<void> shut_channels(ActionCall& call) {
  Writer writer(call);
  for (auto channel : call.parts().channels.all()) {
    const auto found = call.restoration->tail().channels.find(channel.label());
    if (found == call.restoration->tail().channels.end() || channel.status == ChannelStatus::revoked ||
        channel.status == found->second)
      continue;
    channel.status = found->second;
    auto event = call.event(channel.status == ChannelStatus::revoked ? EventKind::channel_revoked
                                                                     : EventKind::channel_suspended);
    event.reference = channel.label();
    writer.put(call.context().put(Table::channel, channel_id(channel.role, channel.name), to_record(channel),
                                  Queue::channel));
    SIGILLO_CHECK(writer.add(std::move(event)));
  }
  return writer.commit();
}

base::Result<void> shut_officers(ActionCall& call) {
  SIGILLO_TRY(auto officers, load_officers(call.context()));
  Writer writer(call);
  for (auto& officer : officers) {
    const auto found = call.restoration->tail().officers.find(officer.name);
    if (found == call.restoration->tail().officers.end() || officer.status == OfficerStatus::revoked ||
        officer.status == found->second)
      continue;
    officer.status = found->second;
    auto event = call.event(officer.status == OfficerStatus::revoked ? EventKind::officer_revoked
                                                                     : EventKind::officer_suspended);
    event.operator_name = officer.name;
    event.reference = key_thumbprint(officer);
    writer.put(call.context().put(Table::officer, officer_id(officer.name), officer, Queue::officer));
    SIGILLO_CHECK(writer.add(std::move(event)));
  }
  return writer.commit();
}

base::Result<void> erase_again(ActionCall& call) {
  for (const auto& [subject, reason] : call.restoration->tail().erased) {
    auto event = call.event(EventKind::erased);
    event.reference = reason;
    const auto erased = erase(call.context(), subject, std::move(event));
    if (!erased) return erased.error();
  }
  return base::ok();
}

base::Result<void> note_record_key(ActionCall& call, const RecordKeyEntry& made) {
  auto event = call.event(EventKind::key_rotated);
  event.reference = made.kid();
  Writer writer(call);
  SIGILLO_CHECK(writer.add(std::move(event)));
  return writer.commit();
}

// The restored store's count of the record key's uses is that of its snapshot, or none: how often it has
// sealed since nobody knows. So it seals no more, and what the restore writes is under a new one.
base::Result<void> write_all(ActionCall& call) {
  SIGILLO_TRY(const auto made, switch_record_key(work_of(call), call.context().now()));
  SIGILLO_TRY(const auto at, declare(call));
  KeyUses uses(call.context());
  uses.keep();
  SIGILLO_CHECK(note_record_key(call, made));
  SIGILLO_CHECK(write_counters(call, at));
  SIGILLO_CHECK(distrust_contacts(call, at));
  SIGILLO_CHECK(turn_authorizations(call));
  SIGILLO_CHECK(shut_channels(call));
  SIGILLO_CHECK(shut_officers(call));
  SIGILLO_CHECK(erase_again(call));
  uses.keep();
  return base::ok();
}

}  // namespace

std::optional<RestoreOrder> restore_order(const json::object& parameters) {
  if (!only(parameters, {"backup", "store", "ledger", "snapshot", "anchor", "ledger_to", "locked"}))
    return std::nullopt;
  RestoreOrder out;
  const auto path = [&parameters](const char* name, std::string& to) {
    if (!parameters.contains(name)) return true;
    to = text_of(parameters, name).value_or("");
    return to.starts_with('/');
  };
  if (!path("backup", out.backup) || !path("store", out.store)) return std::nullopt;
  if (!out.backup.empty() && !out.store.empty()) return std::nullopt;
  if (const auto* files = parameters.if_contains("ledger")) {
    if (!files->is_array()) return std::nullopt;
    for (const auto& file : files->get_array()) {
      if (!file.is_string() || !file.get_string().starts_with('/')) return std::nullopt;
      out.ledger.emplace_back(file.get_string());
    }
  }
  return out;
}

ActionOutcome restore_look(ActionCall& call) {
  auto out = call.restoration->plan();
  out["appliance"] = call.parts().appliance_id;
  out["everybody"] = call.restoration->everybody();
  return out;
}

ActionOutcome restore(ActionCall& call) {
  auto plan = call.restoration->plan();
  for (const auto& [name, value] : plan) {
    const auto* const given = call.parameters.if_contains(name);
    if (given == nullptr || json::serialize(*given) != json::serialize(value))
      return refused("What the officers signed is another restore: \"" + std::string(name) + "\" is " +
                         json::serialize(value) + " now.",
                     "Nothing was changed. Run the same command again, and have this one signed.");
  }
  const auto written = write_all(call);
  if (!written) return failed(written.error(), "The store was not restored", kAgain);
  call.afterwards = [&restoration = *call.restoration]() -> std::optional<ActionFailure> {
    const auto done = restoration.finish();
    if (done) return std::nullopt;
    return failed(done.error(), "The restored store could not be put in place, or not be anchored", kAgain);
  };
  plan["everybody"] = call.restoration->everybody();
  plan["seq"] = call.context().store.head().seq;
  return plan;
}

}  // namespace sigillo::appliance
