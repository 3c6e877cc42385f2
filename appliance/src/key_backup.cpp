#include <appliance/key_backup.hpp>

#include <algorithm>

#include <appliance/assembly.hpp>

namespace sigillo::appliance {
namespace {

using hsm::CeremonyToken;
using hsm::WrappedKey;

base::Error refused(const char* what) {
  return {Errc::key_backup, what};
}

KeyEntry entry_of(const WrappedKey& key, KeyState state, base::Instant now) {
  return {key.id.label, key.id.version, key.type, state, now, key.check_value, key.point};
}

bool on_token(const std::vector<hsm::KeyInfo>& keys, const hsm::KeyId& id) {
  return std::ranges::any_of(keys, [&](const hsm::KeyInfo& info) { return info.id == id; });
}

// A token that was never used has no register, and none is invented for the open keys on it.
base::Result<KeyRegister> register_of(CeremonyToken& token) {
  SIGILLO_TRY(const auto keys, token.list_keys());
  const bool none_closed =
      std::ranges::none_of(keys, [](const hsm::KeyInfo& info) { return find_use(info.id.label) != nullptr; });
  SIGILLO_TRY(const auto objects, token.list_data("sigillo.keys"));
  if (!objects.empty() || !none_closed) return KeyRegister::read(token);
  KeyRegister fresh;
  fresh.add(RecordKeyEntry{});
  return fresh;
}

base::Result<void> create_one(CeremonyToken& token, KeyRegister& keys, const KeyUse& use,
                              std::uint16_t version, base::Instant now) {
  const hsm::KeyId id{use.label, version};
  SIGILLO_TRY(const auto there, token.list_keys());
  if (!on_token(there, hsm::open_name(id)) && !on_token(there, id)) {
    SIGILLO_CHECK(token.generate_open_key(id, use.type));
  }
  if (keys.find(id) == nullptr) {
    keys.add(KeyEntry{
        .label = use.label, .version = version, .type = use.type, .state = KeyState::created, .since = now});
    SIGILLO_CHECK(keys.write(token));
  }
  return base::ok();
}

// One key of a commit. The register is written by the caller.
base::Result<void> close_key(CeremonyToken& token, const WrappedKey& key, const base::Secret& wrapping_key,
                             const std::vector<KeyProof>& proofs) {
  const auto proof = std::ranges::find(proofs, key.id.kid(), &KeyProof::kid);
  if (proof == proofs.end()) return refused("a key of the backup has no proof from a second token");
  if (proof->check_value != key.check_value)
    return refused("the second token has another check value than the backup");
  SIGILLO_TRY(const auto there, token.list_keys());
  if (on_token(there, hsm::open_name(key.id))) {
    SIGILLO_TRY(const auto open, token.wrap_open_key(key.id, wrapping_key));
    if (open.check_value != key.check_value)
      return refused("the open key on the token is not the one of the backup");
  } else if (!on_token(there, key.id)) {
    return refused("a key of the backup is not on this token");
  }
  if (!on_token(there, key.id)) {
    SIGILLO_TRY(const auto made, token.unwrap_key(key, wrapping_key));
    static_cast<void>(made);
  } else {
    SIGILLO_TRY(const auto closed, token.find_key(key.id));
    SIGILLO_TRY(const auto value, hsm::check_value(token, closed, key.type));
    if (value != key.check_value) return refused("the closed key on the token is not the one of the backup");
  }
  if (on_token(there, hsm::open_name(key.id))) return token.destroy_open_key(key.id);
  return base::ok();
}

base::Result<void> restore_one(CeremonyToken& token, const WrappedKey& key,
                               const base::Secret& wrapping_key) {
  SIGILLO_TRY(const auto there, token.list_keys());
  if (!on_token(there, key.id)) {
    SIGILLO_TRY(const auto made, token.unwrap_key(key, wrapping_key));
    static_cast<void>(made);
    return base::ok();
  }
  SIGILLO_TRY(const auto ref, token.find_key(key.id));
  SIGILLO_TRY(const auto value, hsm::check_value(token, ref, key.type));
  if (value == key.check_value) return base::ok();
  return refused("the token has another key of this name: this is not the token to restore onto");
}

// 0 where there is none: one that is open or destroyed serves nobody.
std::uint16_t newest_closed(const KeyRegister& keys, std::string_view label) {
  std::uint16_t version = 0;
  for (const auto& entry : keys.keys()) {
    const bool closed = entry.usable() || entry.state == KeyState::backed_up;
    if (closed && entry.label == label) version = std::max(version, entry.version);
  }
  return version;
}

// Attack, or an old file: (1) a list that calls two versions of a use active, or one that nobody has, (2) the
// token serves with two, or with another than the store's, and says nothing.
base::Result<void> check_list(const KeyRegister& list, const std::vector<KeyBackup>& backups,
                              const KeyRegister& on_token) {
  for (const auto& use : key_uses()) {
    const auto says = [&](const KeyEntry& e) { return e.label == use.label && e.state == KeyState::active; };
    if (std::ranges::count_if(list.keys(), says) > 1)
      return refused("the list of keys calls two active for one use: this is not the list of one token");
    const auto* listed = list.active(use.label);
    if (listed == nullptr) continue;
    const auto is = [&](const WrappedKey& key) { return key.id == listed->id(); };
    const bool backed_up = std::ranges::any_of(
        backups, [&](const KeyBackup& backup) { return std::ranges::any_of(backup.keys, is); });
    const auto* there = on_token.find(listed->id());
    const bool kept =
        there != nullptr && there->state != KeyState::destroyed && there->check_value == listed->check_value;
    if (!backed_up && !kept) return refused("the backups lack a key that the list says is active");
  }
  return base::ok();
}

// Exactly one version of each use: the list's, or the newest where it has none. What was active on a spare,
// by a proof after the list was made, still verifies and opens.
void activate_one_of_each(KeyRegister& keys, const std::optional<KeyRegister>& states, base::Instant now) {
  for (const auto& use : key_uses()) {
    if (const auto* listed = states ? states->active(use.label) : nullptr) {
      keys.activate(listed->id(), now);
      keys.set(listed->id(), KeyState::active, listed->since);
    } else if (const auto version = newest_closed(keys, use.label); version != 0) {
      keys.activate({use.label, version}, now);
    }
  }
}

}  // namespace

base::Result<base::Secret> make_wrapping_key(hsm::Token& token) {
  base::Secret key(hsm::kWrappingKeyBytes);
  SIGILLO_CHECK(token.random(key.writable()));
  return key;
}

base::Result<void> create_open_keys(CeremonyToken& token, base::Instant now) {
  SIGILLO_TRY(auto keys, register_of(token));
  for (const auto& use : key_uses()) SIGILLO_CHECK(create_one(token, keys, use, 1, now));
  return base::ok();
}

base::Result<hsm::KeyId> create_open_key(CeremonyToken& token, const KeyUse& use, base::Instant now) {
  SIGILLO_TRY(auto keys, register_of(token));
  auto version = keys.newest(use.label);
  const auto* newest = keys.find({use.label, version});
  if (newest == nullptr || newest->state != KeyState::created) ++version;
  SIGILLO_CHECK(create_one(token, keys, use, version, now));
  return hsm::KeyId{use.label, version};
}

base::Result<KeyBackup> prepare_backup(CeremonyToken& token, const base::Secret& wrapping_key,
                                       std::string token_label, base::Instant now) {
  SIGILLO_TRY(auto keys, register_of(token));
  KeyBackup backup{std::move(token_label), now, {}};
  for (const auto& entry : std::vector<KeyEntry>(keys.keys())) {
    if (entry.state != KeyState::created) continue;
    SIGILLO_TRY(auto wrapped, token.wrap_open_key(entry.id(), wrapping_key));
    keys.set_point(entry.id(), wrapped.point, wrapped.check_value);
    backup.keys.push_back(std::move(wrapped));
  }
  if (backup.keys.empty())
    return base::Error(Errc::key_state, "no key waits for its backup (every one is backed up or older)");
  SIGILLO_CHECK(keys.write(token));
  return backup;
}

base::Result<std::vector<KeyProof>> prove_backup(CeremonyToken& second, const KeyBackup& backup,
                                                 const base::Secret& wrapping_key, base::Instant now) {
  SIGILLO_TRY(auto keys, register_of(second));
  // Before it is touched. A token proves nothing of its own keys, and what a proof makes active on a spare is
  // for officers to make active on the token that serves.
  SIGILLO_TRY(const auto there, second.list_keys());
  for (const auto& key : backup.keys) {
    const auto* entry = keys.find(key.id);
    if (on_token(there, hsm::open_name(key.id)) || (entry != nullptr && entry->state == KeyState::created))
      return refused("this is the token that the keys were made on, and not a second one");
  }
  std::vector<KeyProof> proofs;
  for (const auto& key : backup.keys) {
    SIGILLO_CHECK(restore_one(second, key, wrapping_key));
    SIGILLO_TRY(const auto ref, second.find_key(key.id));
    SIGILLO_TRY(auto value, hsm::check_value(second, ref, key.type));
    proofs.push_back({key.id.kid(), std::move(value)});
    if (keys.find(key.id) == nullptr) keys.add(entry_of(key, KeyState::backed_up, now));
  }
  activate_one_of_each(keys, {}, now);
  SIGILLO_CHECK(keys.write(second));
  return proofs;
}

base::Result<void> commit_backup(CeremonyToken& token, const KeyBackup& backup,
                                 const base::Secret& wrapping_key, const std::vector<KeyProof>& proofs,
                                 base::Instant now) {
  SIGILLO_TRY(auto keys, register_of(token));
  for (const auto& key : backup.keys) {
    const auto* entry = keys.find(key.id);
    if (entry == nullptr) return refused("a key of the backup is not of this token");
    if (entry->state != KeyState::created) continue;  // a commit that was interrupted goes on
    SIGILLO_CHECK(close_key(token, key, wrapping_key, proofs));
    keys.set_point(key.id, key.point, key.check_value);
    const bool first = keys.active(key.id.label) == nullptr;
    keys.set(key.id, first ? KeyState::active : KeyState::backed_up, now);
    SIGILLO_CHECK(keys.write(token));
  }
  return base::ok();
}

base::Result<void> restore_keys(CeremonyToken& token, const std::vector<KeyBackup>& backups,
                                const base::Secret& wrapping_key, const std::optional<KeyRegister>& states,
                                base::Instant now) {
  SIGILLO_TRY(auto keys, register_of(token));
  const bool blank = keys.keys().empty();
  if (states) SIGILLO_CHECK(check_list(*states, backups, keys));
  for (const auto& backup : backups) {
    for (const auto& key : backup.keys) {
      const auto* said = states ? states->find(key.id) : nullptr;
      if (said != nullptr && said->state == KeyState::destroyed) continue;
      if (said != nullptr && !said->check_value.empty() && said->check_value != key.check_value)
        return refused("the list of keys and the backup are of different keys");
      SIGILLO_CHECK(restore_one(token, key, wrapping_key));
      if (keys.find(key.id) == nullptr) keys.add(entry_of(key, KeyState::retiring, now));
      if (said != nullptr) keys.set(key.id, said->state, said->since);
    }
  }
  if (states) {
    for (const auto& entry : states->keys()) {  // what was destroyed keeps its public half
      if (entry.state != KeyState::destroyed) continue;
      if (keys.find(entry.id()) == nullptr) keys.add(entry);
      keys.set(entry.id(), entry.state, entry.since);
    }
    if (blank) keys.set_record_key(RecordKeyEntry().id, KeyState::destroyed, now);  // nothing is under it
    SIGILLO_CHECK(keys.take_record_keys(*states, now));
  }
  activate_one_of_each(keys, states, now);
  return keys.write(token);
}

}  // namespace sigillo::appliance
