// Retiring: the end of a key, once nothing needs it. Who asks is told what still does.
#include <algorithm>

#include "actions.hpp"
#include "certificates.hpp"

namespace sigillo::appliance {
namespace {

constexpr const char* kAgain = "What was done so far holds. Run the same command again.";
constexpr base::Duration kSettle = base::seconds(60);

ActionFailure needed(const std::string& kid, const std::string& by, std::string next) {
  return refused(kid + " is still needed: " + by + '.', std::move(next));
}

// Operations that began before the rotation may still write under the older key.
bool settled(ActionCall& call) {
  return call.parts().ring.await_settled(kSettle, [&] { return call.stopping(); });
}

std::variant<KeyCounts, ActionFailure> counted(ActionCall& call) {
  if (!settled(call))
    return refused("Operations that began before the rotation are still under way.",
                   "Nothing was changed. Wait a minute, and run it again.");
  auto counts = count_records(
      call.context(), [&](std::uint64_t done) { call.progress(done, 0, "records counted"); },
      [&] { return call.stopping(); });
  if (!counts) return failed(counts.error(), "The records could not be counted", kAgain);
  return std::move(*counts);
}

std::string records(std::uint64_t count) {
  return std::to_string(count) + (count == 1 ? " record" : " records");
}

std::optional<ActionFailure> check_verifier(ActionCall& call, const KeyEntry& entry) {
  auto counts = counted(call);
  if (auto* failure = std::get_if<ActionFailure>(&counts)) return std::move(*failure);
  const auto left = std::get<KeyCounts>(counts).verifiers[entry.version];
  if (left == 0) return std::nullopt;
  return needed(entry.kid(), std::to_string(left) + " PINs, halves, health cards or links were made with it",
                "Each is made anew when it is shown and right. Wait, or have those citizens issued anew.");
}

// Attack, or a day that goes wrong: (1) a rotation exchanges the file, and the token fails before the key's
// state is written, (2) the key that waits, by the register, is destroyed: the only one that opens the file.
std::optional<ActionFailure> check_opens_nothing(ActionCall& call, const KeyEntry& entry) {
  auto& parts = call.parts();
  const auto serving = store_version_of(*parts.token, parts.registered, parts.config.store.path);
  if (!serving) return failed(serving.error(), "The store's key could not be told", kAgain);
  if (*serving != entry.version) return std::nullopt;
  return needed(entry.kid(), "it opens the store's file",
                "Run `sigillo keys rotate store` again: it ends what an earlier one began.");
}

std::optional<ActionFailure> check_store(ActionCall& call, const KeyEntry& entry) {
  for (const auto& record : call.parts().registered.record_keys()) {
    if (record.store_version == entry.version)
      return needed(entry.kid(), record.kid() + " is derived from it",
                    "Rotate the record key, and retire that one first.");
  }
  auto counts = counted(call);
  if (auto* failure = std::get_if<ActionFailure>(&counts)) return std::move(*failure);
  const auto kept = std::get<KeyCounts>(counts).kept_before(entry.since);
  if (kept == 0) return std::nullopt;
  return needed(entry.kid(), std::to_string(kept) + " stored answers of Idempotency-Keys are under it",
                "They go after 24 hours by themselves.");
}

std::optional<ActionFailure> check_tls(ActionCall& call, const KeyEntry& entry) {
  auto& parts = call.parts();
  const auto version = tls_version_in_file(*parts.token, parts.registered, parts.config.server.certificate);
  if (!version) return failed(version.error(), "The server's certificate cannot be read", kAgain);
  if (*version != entry.version) return std::nullopt;
  return needed(entry.kid(), "the server's certificate is of it", "Rotate the TLS key first.");
}

std::optional<ActionFailure> check_ca(ActionCall& call, const KeyEntry& entry) {
  const auto now = call.context().now();
  for (const auto& channel : call.parts().channels.all()) {
    if (channel.status == ChannelStatus::revoked) continue;
    const bool former =
        channel.former && now < channel.former->until && channel.former->ca_version == entry.version;
    if (channel.ca_version == entry.version || former)
      return needed(entry.kid(), "the certificate of " + channel.label() + " is under it",
                    "Renew that channel, and wait until its overlap is over.");
  }
  const auto server = server_is_under(work_of(call), entry);
  if (!server) return failed(server.error(), "The server's certificate cannot be read", kAgain);
  if (*server)
    return needed(entry.kid(), "the server's certificate is under it",
                  "Give the new CA file to every channel, and rotate the TLS key then.");
  const auto removed = remove_ca_certificate(work_of(call), entry);
  if (!removed)
    return failed(removed.error(), "The CA's certificate could not be taken out of its file", kAgain);
  if (const auto swapped = call.host.renew_doors(); !swapped)
    return failed(swapped.error(), "The listener still trusts the old CA", kAgain);
  return std::nullopt;
}

ActionOutcome done(ActionCall& call, const std::string& kid) {
  auto event = call.event(EventKind::key_destroyed);
  event.reference = kid;
  const auto committed = base::sync_wait(call.parts().store->commit({.events = {std::move(event)}}));
  if (!committed)
    return failed(committed.error(), "It is destroyed, and could not be noted in the ledger", kAgain);
  return boost::json::object{{"kid", kid}, {"state", name(KeyState::destroyed)}};
}

ActionOutcome retire_record_key(ActionCall& call, const RecordKeyEntry& entry) {
  const std::string kid = entry.kid();
  if (entry.state == KeyState::active)
    return invalid(kid + " is active.", "Nothing was changed. Rotate it first.");
  auto counts = counted(call);
  if (auto* failure = std::get_if<ActionFailure>(&counts)) return std::move(*failure);
  if (const auto left = std::get<KeyCounts>(counts).records[entry.id]; left != 0)
    return needed(kid, records(left) + " are sealed under it",
                  "They are resealed in the background: `sigillo keys list --count` says how far that is.");
  const auto dropped = drop_record_key(work_of(call), entry.id, call.context().now());
  if (!dropped) return failed(dropped.error(), "The record key is kept", kAgain);
  return done(call, kid);
}

std::optional<ActionFailure> check(ActionCall& call, const KeyEntry& entry) {
  const std::string_view label = entry.label;
  if (label == KeyLabels::verifier) return check_verifier(call, entry);
  if (label == KeyLabels::store) return check_store(call, entry);
  if (label == KeyLabels::tls) return check_tls(call, entry);
  if (label == KeyLabels::ca) return check_ca(call, entry);
  return std::nullopt;  // receipt and ledger: what they signed is verified with the public half, which stays
}

}  // namespace

ActionOutcome keys_retire(ActionCall& call) {
  const auto kid = text_of(call.parameters, "kid");
  if (!kid || !only(call.parameters, {"kid"})) return invalid("A key is retired by its \"kid\".");
  const auto is = [&](const auto& entry) { return entry.kid() == *kid; };
  const auto& record_keys = call.parts().registered.record_keys();
  if (const auto found = std::ranges::find_if(record_keys, is); found != record_keys.end())
    return retire_record_key(call, RecordKeyEntry(*found));
  const auto& all = call.parts().registered.keys();
  const auto found = std::ranges::find_if(all, is);
  if (found == all.end())
    return invalid("There is no key " + *kid + '.',
                   "Nothing was changed. `sigillo keys list` has their names.");
  if (found->state == KeyState::active)
    return invalid(*kid + " is active.", "Nothing was changed. Rotate it first.");
  const KeyEntry entry = *found;
  if (entry.label == KeyLabels::store) {
    if (auto failure = check_opens_nothing(call, entry)) return std::move(*failure);
  }
  if (entry.state == KeyState::retiring) {
    if (auto failure = check(call, entry)) return std::move(*failure);
  }
  const auto destroyed = destroy_key(work_of(call), entry.id(), call.context().now());
  if (!destroyed) return failed(destroyed.error(), "The key could not be destroyed", kAgain);
  return done(call, *kid);
}

}  // namespace sigillo::appliance
