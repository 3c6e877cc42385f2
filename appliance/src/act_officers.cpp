// Officers: who they are, and how they come and go. Two of them enrol a third; the last two stay.
#include <algorithm>

#include "actions.hpp"

namespace sigillo::appliance {
namespace {

namespace json = boost::json;

constexpr std::string_view kAdvice = "Nothing was changed. Look at `sigillo status`, and run it again.";

json::object shown(const OfficerRecord& officer) {
  return {{"name", officer.name},
          {"status", name(officer.status)},
          {"key", key_thumbprint(officer)},
          {"enrolled_at", base::to_rfc3339(officer.enrolled)}};
}

ActionOutcome write(ActionCall& call, const OfficerRecord& officer, EventKind kind) {
  const auto& context = call.context();
  auto event = call.event(kind);
  event.operator_name = officer.name;
  event.reference = kind == EventKind::officer_enrolled ? key_text(officer) : key_thumbprint(officer);
  sealed_store::Changes changes;
  changes.events.push_back(std::move(event));
  changes.puts.push_back(context.put(Table::officer, officer_id(officer.name), officer, Queue::officer));
  const auto committed = base::sync_wait(context.store.commit(std::move(changes)));
  if (!committed) return failed(committed.error(), "The officer could not be written", std::string(kAdvice));
  return shown(officer);
}

ActionOutcome change(ActionCall& call, OfficerStatus to, EventKind kind) {
  const auto officer_name = text_of(call.parameters, "name");
  if (!officer_name || !only(call.parameters, {"name"})) return invalid("An officer is named by \"name\".");
  const auto officers = load_officers(call.context());
  if (!officers) return failed(officers.error(), "The officers cannot be read", std::string(kAdvice));
  const auto* const found = find_officer(*officers, *officer_name);
  if (found == nullptr) return invalid("There is no officer \"" + *officer_name + "\".");
  if (found->status == to)
    return invalid('"' + *officer_name + "\" is " + std::string(name(to)) + " already.");
  if (found->status == OfficerStatus::revoked)
    return invalid('"' + *officer_name + "\" is revoked, for good.", "Enrol a new officer, with a new key.");
  const bool leaves = found->status == OfficerStatus::active;
  if (leaves && active(*officers) <= kOfficersMin)
    return refused("The last two officers cannot be taken away: nobody could act any more.",
                   "Nothing was changed. Enrol another officer first.");
  auto changed = *found;
  changed.status = to;
  return write(call, changed, kind);
}

}  // namespace

base::Result<Officers> load_officers(const Context& context) {
  SIGILLO_TRY(const auto listed, context.store.members(static_cast<std::uint8_t>(Queue::officer)));
  Officers officers;
  for (const auto& item : listed) {
    SIGILLO_TRY(auto record, context.load<OfficerRecord>(Table::officer, item.key.id));
    if (record) officers.push_back(std::move(*record));
  }
  std::ranges::sort(officers, {}, &OfficerRecord::name);
  return officers;
}

ActionOutcome officers_list(ActionCall& call) {
  const auto officers = load_officers(call.context());
  if (!officers) return failed(officers.error(), "The officers cannot be read", std::string(kAdvice));
  json::array list;
  for (const auto& officer : *officers) list.push_back(shown(officer));
  return json::object{{"officers", std::move(list)}};
}

// Attack: one officer who (1) enrols a key of his own under another name, (2) signs with both. That is what
// two signatures on an enrolment are for; and a key that is enrolled, or ever was, is refused here.
ActionOutcome officers_enrol(ActionCall& call) {
  const auto officer_name = text_of(call.parameters, "name");
  const auto encoded = text_of(call.parameters, "key");
  const auto point = encoded ? base::from_base64url(*encoded) : std::nullopt;
  if (!officer_name || !point || !only(call.parameters, {"name", "key"}))
    return invalid("An officer is enrolled by \"name\" and \"key\".");
  if (!valid_officer_name(*officer_name))
    return invalid("An officer's name is 1 to 32 of a to z, 0 to 9 and hyphen.");
  if (!base::EcPublicKey::from_point(*point)) return invalid("The key is no public key on P-256.");
  const auto officers = load_officers(call.context());
  if (!officers) return failed(officers.error(), "The officers cannot be read", std::string(kAdvice));
  OfficerRecord officer{*officer_name, OfficerStatus::active, {}, call.context().now()};
  std::ranges::copy(*point, officer.key.begin());
  for (const auto& other : *officers) {
    if (other.name == officer.name)
      return invalid('"' + other.name + "\" is the name of an officer already, or was.",
                     "Take another name.");
    if (other.key == officer.key)
      return invalid("The key is " + other.name + "'s: one key is one person.",
                     "Make a new one with `sigillo officer keygen`.");
  }
  return write(call, officer, EventKind::officer_enrolled);
}

ActionOutcome officers_suspend(ActionCall& call) {
  return change(call, OfficerStatus::suspended, EventKind::officer_suspended);
}
ActionOutcome officers_resume(ActionCall& call) {
  return change(call, OfficerStatus::active, EventKind::officer_resumed);
}
ActionOutcome officers_revoke(ActionCall& call) {
  return change(call, OfficerStatus::revoked, EventKind::officer_revoked);
}

ActionOutcome acts_list(ActionCall& call) {
  const auto& context = call.context();
  const auto listed = context.store.members(static_cast<std::uint8_t>(Queue::act));
  if (!listed) return failed(listed.error(), "The acts cannot be read", std::string(kAdvice));
  json::array list;
  for (const auto& item : *listed) {
    const auto record = context.load<ActRecord>(Table::act, item.key.id);
    if (!record) return failed(record.error(), "An act cannot be read", std::string(kAdvice));
    if (!*record) continue;
    json::array signatures;
    for (const auto& one : (*record)->signatures) {
      signatures.push_back(json::object{{"officer", one.officer},
                                        {"signature", base::to_base64url(one.signature)},
                                        {"key", base::to_base64url(one.key)}});
    }
    list.push_back(json::object{{"act", (*record)->text},
                                {"digest", base::to_hex(act_digest((*record)->text))},
                                {"at", base::to_rfc3339((*record)->at)},
                                {"signatures", std::move(signatures)}});
  }
  return json::object{{"acts", std::move(list)}};
}

}  // namespace sigillo::appliance
