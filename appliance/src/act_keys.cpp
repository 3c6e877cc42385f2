// Keys: what there is, and rotation. What each rotation means is in docs/KEYS.md.
#include <appliance/checkpoint.hpp>

#include "actions.hpp"
#include "certificates.hpp"

namespace sigillo::appliance {
namespace {

namespace json = boost::json;

constexpr const char* kAgain = "What was done so far holds. Run the same command again.";

json::object shown(const KeyEntry& entry) {
  const auto* use = find_use(entry.label);
  return {{"kid", entry.kid()},
          {"use", use != nullptr ? use->name : "?"},
          {"version", entry.version},
          {"state", name(entry.state)},
          {"since", base::to_rfc3339(entry.since)},
          {"check_value", base::to_hex(entry.check_value)}};
}

json::object shown(const RecordKeyEntry& entry) {
  return {{"kid", entry.kid()},
          {"use", "record"},
          {"version", entry.id},
          {"state", name(entry.state)},
          {"since", base::to_rfc3339(entry.since)},
          {"derived_from", hsm::KeyId{KeyLabels::store, entry.store_version}.kid()}};
}

std::optional<ActionFailure> note(ActionCall& call, EventKind kind, std::string reference) {
  auto event = call.event(kind);
  event.reference = std::move(reference);
  const auto committed = base::sync_wait(call.parts().store->commit({.events = {std::move(event)}}));
  if (committed) return std::nullopt;
  return failed(committed.error(), "It is done, and could not be noted in the ledger", kAgain);
}

// A checkpoint of this head, signed by the ledger key of this set.
base::Result<std::string> checkpoint_by(ActionCall& call, const Keys& keys, const sealed_store::Head& head) {
  const std::string text = checkpoint_text(call.context().config.audit.issuer, head);
  SIGILLO_TRY(const auto signature, call.parts().token->sign(keys.ledger, base::sha256({base::view(text)})));
  return signed_note(text, keys.ledger_public(), signature);
}

// One segment of checkpoints ends and another begins, at the same head: the entry that names both keys. Who
// trusts the old key sees it sign that entry, and the new key sign the same.
ActionOutcome rotate_ledger(ActionCall& call, const KeyEntry& next, const std::string& reference) {
  const auto before = call.context().keys();
  const auto now = call.context().now();
  if (auto failure = note(call, EventKind::key_rotated, reference)) return std::move(*failure);
  const auto head = call.context().store.head();  // entries of others come while the two are signed
  const auto closing = checkpoint_by(call, *before, head);
  if (!closing) return failed(closing.error(), "The old ledger key did not sign its last checkpoint", kAgain);
  const auto done = switch_to(work_of(call), next, now);
  if (!done) return failed(done.error(), "The new ledger key could not be put into use", kAgain);
  const auto opening = checkpoint_by(call, *call.context().keys(), head);
  if (!opening)
    return failed(opening.error(), "The new ledger key did not sign its first checkpoint", kAgain);
  auto out = shown(*call.parts().registered.find(next.id()));
  out["closing_checkpoint"] = *closing;
  out["opening_checkpoint"] = *opening;
  return out;
}

ActionOutcome rotate_tls(ActionCall& call, const KeyEntry& next, const std::string& names,
                         const std::string& reference) {
  const auto now = call.context().now();
  const auto written = replace_server_certificate(work_of(call), next, names, call.clock.now());
  if (!written) return failed(written.error(), "The new server certificate could not be made", kAgain);
  const auto done = switch_to(work_of(call), next, now);
  if (!done) return failed(done.error(), "The new TLS key could not be put into use", kAgain);
  if (const auto swapped = call.host.renew_doors(); !swapped)
    return failed(swapped.error(), "The listener keeps the old certificate", kAgain);
  if (auto failure = note(call, EventKind::key_rotated, reference)) return std::move(*failure);
  auto out = shown(*call.parts().registered.find(next.id()));
  out["certificate_file"] = call.context().config.server.certificate;
  out["names"] = names;
  return out;
}

ActionOutcome rotate_ca(ActionCall& call, const KeyEntry& next, const std::string& reference) {
  const auto now = call.context().now();
  const auto written = add_ca_certificate(work_of(call), next, call.clock.now());
  if (!written) return failed(written.error(), "The new CA certificate could not be made", kAgain);
  if (const auto swapped = call.host.renew_doors(); !swapped)
    return failed(swapped.error(), "The listener does not trust the new CA yet", kAgain);
  const auto done = switch_to(work_of(call), next, now);
  if (!done) return failed(done.error(), "The new CA key could not be put into use", kAgain);
  if (auto failure = note(call, EventKind::key_rotated, reference)) return std::move(*failure);
  auto out = shown(*call.parts().registered.find(next.id()));
  out["ca_file"] = call.context().config.server.channel_ca;
  return out;
}

// Shown until all records are under the new key; a command that is cut off leaves the work going on.
ActionOutcome await_reseal(ActionCall& call, json::object out) {
  auto& resealer = *call.parts().resealer;
  for (auto state = resealer.state(); state.running && !call.stopping();
       state = resealer.await(base::seconds(1))) {
    call.progress(state.seen, 0, "records seen");
  }
  const auto state = resealer.state();
  if (state.failed)
    return refused("The records could not all be brought under the new key.",
                   "They go on being readable. Look at `sigillo status`, and run it again, or restart.");
  out["resealed"] = state.resealed;
  out["complete"] = !state.running;
  return out;
}

ActionOutcome rotate_record(ActionCall& call) {
  const auto made = switch_record_key(work_of(call), call.context().now());
  if (!made) return failed(made.error(), "No new record key was made", kAgain);
  call.parts().resealer->wake();
  if (auto failure = note(call, EventKind::key_rotated, made->kid())) return std::move(*failure);
  return await_reseal(call, shown(*made));
}

}  // namespace

KeyWork work_of(ActionCall& call) {
  auto& parts = call.parts();
  return {*parts.token, parts.registered, parts.ring, parts.config};
}

ActionOutcome keys_list(ActionCall& call) {
  if (!only(call.parameters, {"count"})) return invalid("Listing keys takes \"count\" and nothing else.");
  auto& parts = call.parts();
  std::optional<KeyCounts> counts;
  if (flag_of(call.parameters, "count").value_or(false)) {
    auto counted = count_records(
        call.context(), [&](std::uint64_t done) { call.progress(done, 0, "records counted"); },
        [&] { return call.stopping(); });
    if (!counted) return failed(counted.error(), "The records could not be counted", kAgain);
    counts = std::move(*counted);
  }
  const auto under = [](const auto& by_version, std::uint16_t version) {
    const auto found = by_version.find(version);
    return found == by_version.end() ? std::uint64_t{0} : found->second;
  };
  // The token's, and not this process's: an act may be exchanging that just now.
  const auto registered = KeyRegister::read(*parts.token);
  if (!registered) return failed(registered.error(), "The keys' register cannot be read", kAgain);
  json::array list;
  for (const auto& entry : registered->keys()) {
    auto one = shown(entry);
    if (counts && entry.label == KeyLabels::verifier)
      one["records"] = under(counts->verifiers, entry.version);
    list.push_back(std::move(one));
  }
  for (const auto& entry : registered->record_keys()) {
    auto one = shown(entry);
    if (counts) one["records"] = under(counts->records, entry.id);
    const auto keys = call.context().keys();
    const auto uses = entry.id == keys->record_key ? base::Result<std::uint64_t>(keys->sealer->uses())
                                                   : parts.key_uses->of(entry.id);
    if (!uses) return failed(uses.error(), "The uses of a key cannot be read", kAgain);
    one["uses"] = *uses;
    list.push_back(std::move(one));
  }
  const auto reseal = parts.resealer->state();
  return json::object{{"keys", std::move(list)},
                      {"reseal",
                       {{"running", reseal.running},
                        {"failed", reseal.failed},
                        {"seen", reseal.seen},
                        {"resealed", reseal.resealed}}}};
}

ActionOutcome keys_rotate(ActionCall& call) {
  const auto said = text_of(call.parameters, "use");
  if (!said || !only(call.parameters, {"use"})) return invalid("A rotation is of one \"use\".");
  if (*said == "record") return rotate_record(call);
  const auto* use = find_use(*said);
  if (use == nullptr)
    return invalid("There is no key for \"" + *said + "\".",
                   "Nothing was changed. verifier, record, store, receipt, ledger, tls and ca rotate.");
  const auto now = call.context().now();
  base::Result<std::string> names = std::string();
  if (use->label == std::string_view(KeyLabels::tls)) names = next_server_names(work_of(call));
  if (!names)
    return refused(std::string("Not rotated: ") + names.error().detail() + '.',
                   "Nothing was changed. Put the appliance's own certificate back, or say [server] names.");
  const auto next = next_key(work_of(call), *use, now);
  if (!next)
    return refused(std::string("Not rotated: ") + next.error().detail() + '.', "Nothing was changed.");
  const auto* active = call.parts().registered.active(use->label);
  const auto reference = (active != nullptr ? active->kid() + " > " : std::string()) + next->kid() + ' ' +
                         base::to_hex(next->check_value);
  if (use->label == std::string_view(KeyLabels::ledger)) return rotate_ledger(call, *next, reference);
  if (use->label == std::string_view(KeyLabels::tls)) return rotate_tls(call, *next, *names, reference);
  if (use->label == std::string_view(KeyLabels::ca)) return rotate_ca(call, *next, reference);
  if (use->label == std::string_view(KeyLabels::store)) return rotate_store(call, *next, reference);
  const auto done = switch_to(work_of(call), *next, now);
  if (!done) return failed(done.error(), "The new key could not be put into use", kAgain);
  if (auto failure = note(call, EventKind::key_rotated, reference)) return std::move(*failure);
  return shown(*call.parts().registered.find(next->id()));
}

}  // namespace sigillo::appliance
