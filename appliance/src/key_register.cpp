#include <appliance/assembly.hpp>
#include <appliance/key_register.hpp>

#include <algorithm>
#include <cstdlib>

#include "codec.hpp"

namespace sigillo::appliance {
namespace {

constexpr const char* kObject = "sigillo.keys";

bool sound(const KeyRegister& keys) {
  const auto known = [](KeyState state) {
    return state >= KeyState::created && state <= KeyState::destroyed;
  };
  return std::ranges::all_of(keys.keys(),
                             [&](const KeyEntry& e) {
                               return known(e.state) && e.type <= hsm::KeyType::ec_p384 && e.version > 0;
                             }) &&
         std::ranges::all_of(keys.record_keys(), [&](const RecordKeyEntry& e) { return known(e.state); });
}

base::Result<KeyEntry> described(hsm::Token& token, const hsm::KeyInfo& info) {
  KeyEntry entry{.label = info.id.label, .version = info.id.version, .type = info.type};
  SIGILLO_TRY(const auto key, token.find_key(info.id));
  SIGILLO_TRY(entry.check_value, hsm::check_value(token, key, info.type));
  if (info.type != hsm::KeyType::hmac_sha256) {
    SIGILLO_TRY(entry.point, token.public_key(key));
  }
  return entry;
}

// A token without a register: what is on it, as a token made by hand would be meant.
base::Result<KeyRegister> as_found(hsm::Token& token) {
  KeyRegister out;
  SIGILLO_TRY(const auto found, token.list_keys());
  for (const auto& info : found) {
    if (find_use(info.id.label) == nullptr) continue;
    SIGILLO_TRY(auto entry, described(token, info));
    entry.state = KeyState::retiring;
    out.add(std::move(entry));
  }
  for (const auto& use : key_uses()) {
    if (const auto version = out.newest(use.label); version != 0)
      out.set({use.label, version}, KeyState::active, {});
  }
  out.add(RecordKeyEntry{});
  return out;
}

}  // namespace

std::string_view name(KeyState state) {
  switch (state) {
    case KeyState::created:
      return "created";
    case KeyState::backed_up:
      return "backed-up";
    case KeyState::active:
      return "active";
    case KeyState::retiring:
      return "retiring";
    case KeyState::destroyed:
      return "destroyed";
  }
  std::abort();
}

const std::vector<KeyUse>& key_uses() {
  // The index key names subjects: another one would give every subject another name, in the records, in the
  // counters and in a ledger that is never rewritten.
  static const std::vector<KeyUse> uses = {{"index", KeyLabels::index, hsm::KeyType::hmac_sha256, false},
                                           {"verifier", KeyLabels::verifier, hsm::KeyType::hmac_sha256, true},
                                           {"store", KeyLabels::store, hsm::KeyType::hmac_sha256, true},
                                           {"receipt", KeyLabels::receipt, hsm::KeyType::ec_p256, true},
                                           {"ledger", KeyLabels::ledger, hsm::KeyType::ec_p256, true},
                                           {"tls", KeyLabels::tls, hsm::KeyType::ec_p256, true},
                                           {"ca", KeyLabels::ca, hsm::KeyType::ec_p384, true}};
  return uses;
}

const KeyUse* find_use(std::string_view text) {
  for (const auto& use : key_uses()) {
    if (text == use.name || text == use.label) return &use;
  }
  return nullptr;
}

base::Result<KeyRegister> KeyRegister::read(hsm::Token& token) {
  SIGILLO_TRY(const auto objects, token.list_data(kObject));
  std::optional<KeyRegister> newest;
  for (const auto& object : objects) {
    auto keys = codec::decode<KeyRegister>(object.value);
    if (!keys || !sound(*keys))
      return base::Error(Errc::key_register, "the token's key register does not decode");
    if (!newest || keys->sequence_ > newest->sequence_) newest = std::move(keys);
  }
  if (newest) return std::move(*newest);
  return as_found(token);
}

base::Result<void> KeyRegister::write(hsm::Token& token) {
  SIGILLO_TRY(const auto before, token.list_data(kObject));
  for (const auto& object : before) {
    const auto other = codec::decode<KeyRegister>(object.value);
    if (other && other->sequence_ > sequence_)
      return base::Error(Errc::key_register, "another process has changed the keys' states meanwhile");
  }
  ++sequence_;
  SIGILLO_TRY(const auto made, token.create_data(kObject, codec::encode(*this)));
  static_cast<void>(made);
  // One that stays behind has a lower number and is never believed again.
  for (const auto& object : before) (void)token.destroy_data(object.handle);
  return base::ok();
}

const KeyEntry* KeyRegister::find(const hsm::KeyId& id) const {
  const auto found = std::ranges::find_if(keys_, [&](const KeyEntry& e) { return e.id() == id; });
  return found == keys_.end() ? nullptr : &*found;
}

const KeyEntry* KeyRegister::active(std::string_view label) const {
  const auto found = std::ranges::find_if(
      keys_, [&](const KeyEntry& e) { return e.label == label && e.state == KeyState::active; });
  return found == keys_.end() ? nullptr : &*found;
}

std::uint16_t KeyRegister::newest(std::string_view label) const {
  std::uint16_t version = 0;
  for (const auto& entry : keys_) {
    if (entry.label == label) version = std::max(version, entry.version);
  }
  return version;
}

std::uint16_t KeyRegister::newest_record_key() const {
  std::uint16_t id = 0;
  for (const auto& entry : record_keys_) id = std::max(id, entry.id);
  return id;
}

base::Bytes KeyRegister::salt_of(std::uint16_t record_key) const {
  const auto found = std::ranges::find(salts_.value, record_key, &RecordKeySalt::id);
  return found == salts_.value.end() ? base::Bytes() : found->salt;
}

void KeyRegister::add(KeyEntry entry) {
  keys_.push_back(std::move(entry));
  std::ranges::sort(keys_, {}, &KeyEntry::id);
}

void KeyRegister::add(RecordKeyEntry entry, base::Bytes salt) {
  record_keys_.push_back(entry);
  if (!salt.empty()) salts_.value.push_back({entry.id, std::move(salt)});
}

base::Result<void> KeyRegister::take_record_keys(const KeyRegister& list, base::Instant now) {
  auto merged = *this;
  merged.record_keys_ = list.record_keys_;
  merged.salts_ = list.salts_;
  for (const auto& entry : record_keys_) {
    const auto same = std::ranges::find(list.record_keys_, entry.id, &RecordKeyEntry::id);
    const auto* store = find({KeyLabels::store, entry.store_version});
    if (same == list.record_keys_.end()) {
      if (store != nullptr && store->state != KeyState::destroyed) merged.add(entry, salt_of(entry.id));
    } else if (same->store_version != entry.store_version || list.salt_of(entry.id) != salt_of(entry.id)) {
      return base::Error(Errc::key_register, "the token has another record key of an id that the list has");
    }
  }
  std::ranges::sort(merged.record_keys_, {}, &RecordKeyEntry::id);
  merged.activate_record_key(merged.newest_record_key(), now);
  *this = std::move(merged);
  return base::ok();
}

void KeyRegister::set(const hsm::KeyId& id, KeyState state, base::Instant now) {
  for (auto& entry : keys_) {
    if (entry.id() != id) continue;
    entry.state = state;
    entry.since = now;
  }
}

void KeyRegister::set_point(const hsm::KeyId& id, base::Bytes point, base::Bytes check_value) {
  for (auto& entry : keys_) {
    if (entry.id() != id) continue;
    entry.point = std::move(point);
    entry.check_value = std::move(check_value);
    return;
  }
}

void KeyRegister::set_record_key(std::uint16_t id, KeyState state, base::Instant now) {
  if (state == KeyState::destroyed) {
    std::erase_if(record_keys_, [id](const RecordKeyEntry& e) { return e.id == id; });
    std::erase_if(salts_.value, [id](const RecordKeySalt& e) { return e.id == id; });
  }
  for (auto& entry : record_keys_) {
    if (entry.id != id) continue;
    entry.state = state;
    entry.since = now;
  }
}

void KeyRegister::activate(const hsm::KeyId& id, base::Instant now) {
  for (const auto& entry : std::vector<KeyEntry>(keys_)) {
    if (entry.label == id.label && entry.state == KeyState::active) set(entry.id(), KeyState::retiring, now);
  }
  set(id, KeyState::active, now);
}

void KeyRegister::activate_record_key(std::uint16_t id, base::Instant now) {
  for (auto& entry : record_keys_) {
    if (entry.id == id ? entry.state == KeyState::active : entry.state != KeyState::active) continue;
    entry.state = entry.id == id ? KeyState::active : KeyState::retiring;
    entry.since = now;
  }
}

base::Result<KeyEntry> make_key(hsm::Token& token, KeyRegister& keys, const KeyUse& use, base::Instant now) {
  const hsm::KeyId id{use.label, static_cast<std::uint16_t>(keys.newest(use.label) + 1)};
  SIGILLO_TRY(const auto made, token.generate_key(id, use.type));
  static_cast<void>(made);
  SIGILLO_TRY(auto entry, described(token, {id, use.type}));
  entry.state = KeyState::backed_up;
  entry.since = now;
  keys.add(entry);
  return entry;
}

std::string check_text(base::ByteView check_value) {
  std::string out;
  const auto hex = base::to_hex(check_value);
  for (std::size_t i = 0; i < hex.size(); ++i) {
    if (i != 0 && i % 4 == 0) out += ' ';
    out += hex[i];
  }
  return out;
}

}  // namespace sigillo::appliance
