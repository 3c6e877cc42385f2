#include "open_act.hpp"

#include <algorithm>

#include <base/log.hpp>

#include "certificates.hpp"

namespace sigillo::appliance {
namespace {

constexpr std::size_t kPage = 1000;
constexpr std::string_view kNothing = "nothing";
constexpr std::string_view kRecord = "record";

// The key that is active for a use; empty where none is, and where it is no use.
std::string active_kid(const KeyRegister& keys, std::string_view use_name) {
  if (use_name == kRecord) return RecordKeyEntry{.id = keys.newest_record_key()}.kid();
  const auto* use = find_use(use_name);
  const auto* entry = use == nullptr ? nullptr : keys.active(use->label);
  return entry == nullptr ? std::string() : entry->kid();
}

bool is_gone(const KeyRegister& keys, std::string_view kid) {
  const auto is = [&](const auto& entry) { return entry.kid() == kid; };
  const auto found = std::ranges::find_if(keys.keys(), is);
  if (found != keys.keys().end()) return found->state == KeyState::destroyed;
  return std::ranges::none_of(keys.record_keys(), is);
}

// Most acts have one effect, and its entry is in the commit that has it.
base::Result<std::string> by_ledger(const Context& context, std::uint64_t after) {
  for (;;) {
    SIGILLO_TRY(const auto page, context.store.ledger(after, kPage));
    if (page.empty()) return std::string(kNothing);
    for (const auto& [seq, node, event, root, guards, hash] : page) {
      after = seq;
      const auto kind = static_cast<EventKind>(event.kind);
      const bool beside =
          kind == EventKind::act || kind == EventKind::act_signed || kind == EventKind::backed_up;
      if (event.channel == "officer" && !beside) return "done, entry " + std::to_string(seq);
    }
  }
}

// The certificate is written before its key is active, and a start takes the key that it is of.
std::string by_certificate(const Assembly::Parts& parts, const std::string& active) {
  const auto version = tls_version_in_file(*parts.token, parts.registered, parts.config.server.certificate);
  const auto kid = version ? hsm::KeyId{KeyLabels::tls, *version}.kid() : active;
  return kid == active ? std::string(kNothing) : kid + " has the certificate";
}

// On keys it is the token that says: its register is written before the entry is.
base::Result<std::string> found(const Assembly::Parts& parts, const OpenActRecord& act) {
  const auto& context = parts.context();
  if (act.action == "keys.rotate") {
    const auto now = active_kid(parts.registered, act.about);
    if (now != act.before) return now + " is active";
    return act.about == "tls" ? by_certificate(parts, now) : std::string(kNothing);
  }
  if (act.action == "keys.retire")
    return is_gone(parts.registered, act.about) ? act.about + " is destroyed" : std::string(kNothing);
  if (act.action == "audit.prune") {
    const auto base = context.store.ledger_base().seq;
    return base == act.base ? std::string(kNothing) : "let go up to entry " + std::to_string(base);
  }
  return by_ledger(context, act.after);
}

}  // namespace

OpenActRecord open_act(const ActionCall& call, const Act& act) {
  const auto& parts = call.parts();
  OpenActRecord out;
  out.digest = call.digest;
  out.action = act.action;
  out.officers = call.event(EventKind::act).operator_name;
  out.about = text_of(act.parameters, act.action == "keys.retire" ? "kid" : "use").value_or("");
  out.before = active_kid(parts.registered, out.about);
  out.after = call.context().store.head().seq;
  out.base = call.context().store.ledger_base().seq;
  return out;
}

base::Result<std::optional<sealed_store::Event>> close_interrupted(const Assembly::Parts& parts) {
  using Closed = std::optional<sealed_store::Event>;
  const auto& context = parts.context();
  SIGILLO_TRY(const auto open, context.load<OpenActRecord>(Table::open_act, Id{}));
  if (!open) return Closed();
  SIGILLO_TRY(const auto what, found(parts, *open));
  auto ended = own_event(EventKind::act_ended, context.now());
  ended.operator_name = open->officers;
  ended.outcome = static_cast<std::uint16_t>(EventOutcome::interrupted);
  ended.reference = open->digest + ' ' + what;
  base::log::warn("act-interrupted", {{"action", open->action}, {"digest", open->digest}, {"found", what}});
  return Closed(std::move(ended));
}

}  // namespace sigillo::appliance
