// KeyRegister: the life of every key, as a private data object on the token itself: created -> backed-up ->
// active -> retiring (it still verifies and opens) -> destroyed. On the token and not in the store, because
// it must be known before a store can be opened, comes back with the keys that it is about, and is not undone
// by a store that is put back. A key that is not in it is used for nothing. Keys that were destroyed stay in
// it: with their public half, so that what they signed can be verified for ever. Thread rule: a value;
// write() by one ceremony or one act at a time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <appliance/appended.hpp>
#include <base/clock.hpp>
#include <hsm/ceremony_token.hpp>

namespace sigillo::appliance {

enum class KeyState : std::uint8_t { created = 1, backed_up = 2, active = 3, retiring = 4, destroyed = 5 };
std::string_view name(KeyState state);

// The keys of the design.
struct KeyUse {
  const char* name;   // "verifier": as officers write it
  const char* label;  // "sigillo.verifier"
  hsm::KeyType type;
  bool rotates;
};
const std::vector<KeyUse>& key_uses();
const KeyUse* find_use(std::string_view name_or_label);

struct KeyEntry {
  std::string label;
  std::uint16_t version = 1;
  hsm::KeyType type = hsm::KeyType::hmac_sha256;
  KeyState state = KeyState::created;
  base::Instant since{};  // of the state
  base::Bytes check_value;
  base::Bytes point;  // of EC keys
  hsm::KeyId id() const { return {label, version}; }
  std::string kid() const { return id().kid(); }
  bool usable() const { return state == KeyState::active || state == KeyState::retiring; }
  template <class V>
  void fields(V&& v) {
    v(label, version, type, state, since, check_value, point);
  }
};

// A key that records are sealed under: derived from a version of the store key, its id and a salt, and not an
// object of the token.
struct RecordKeyEntry {
  std::uint16_t id = 1;  // what a record names
  std::uint16_t store_version = 1;
  KeyState state = KeyState::active;  // active or retiring; one that is destroyed stands here no more
  base::Instant since{};
  std::string kid() const { return hsm::KeyId{"record", id}.kid(); }
  template <class V>
  void fields(V&& v) {
    v(id, store_version, state, since);
  }
};

// Attack, or a bad day: (1) a key has sealed nearly as often as it may, (2) its list is lost, or an older one
// comes back: a spare that was not told, (3) the next rotation takes the same id, derives the same key, and
// counts its uses from none. With random bytes of its own a key that is made is never one that was.
struct RecordKeySalt {
  std::uint16_t id = 1;
  base::Bytes salt;
  bool operator==(const RecordKeySalt&) const = default;
  template <class V>
  void fields(V&& v) {
    v(id, salt);
  }
};

class KeyRegister {
 public:
  // The newest of the token. Where there is none (a token that was made by hand): every key of ours that is
  // on it, the newest version of each use active.
  static base::Result<KeyRegister> read(hsm::Token& token);
  // The new object is made before the old one is destroyed: a kill leaves one too many and never none.
  // Errc::key_register where another process wrote since read().
  base::Result<void> write(hsm::Token& token);

  const std::vector<KeyEntry>& keys() const { return keys_; }
  const std::vector<RecordKeyEntry>& record_keys() const { return record_keys_; }
  const KeyEntry* find(const hsm::KeyId& id) const;
  const KeyEntry* active(std::string_view label) const;  // nullptr where none is
  std::uint16_t newest(std::string_view label) const;    // version; 0 where there is none
  std::uint16_t newest_record_key() const;
  // Empty: that of a founding, or one that was made before there were salts.
  base::Bytes salt_of(std::uint16_t record_key) const;

  void add(KeyEntry entry);
  void add(RecordKeyEntry entry, base::Bytes salt = {});
  void set(const hsm::KeyId& id, KeyState state, base::Instant now);  // of one that is there
  void set_point(const hsm::KeyId& id, base::Bytes point, base::Bytes check_value);
  void set_record_key(std::uint16_t id, KeyState state, base::Instant now);  // destroyed: taken out
  // Makes one version active and what was active before retiring.
  void activate(const hsm::KeyId& id, base::Instant now);
  void activate_record_key(std::uint16_t id, base::Instant now);
  // Those of a list, beside those that are here: an id that was given stays given. The newest is active.
  // Errc::key_register where one id is of two keys.
  base::Result<void> take_record_keys(const KeyRegister& list, base::Instant now);

  template <class V>
  void fields(V&& v) {
    v(sequence_, keys_, record_keys_, salts_);
  }

 private:
  std::uint64_t sequence_ = 0;
  std::vector<KeyEntry> keys_;
  std::vector<RecordKeyEntry> record_keys_;
  Appended<std::vector<RecordKeySalt>> salts_;
};

// Makes the next version of a use, usable at once: a development appliance has no backup. Not active yet.
base::Result<KeyEntry> make_key(hsm::Token& token, KeyRegister& keys, const KeyUse& use, base::Instant now);
// "3f2a 11c0 9b7e 04d1"
std::string check_text(base::ByteView check_value);

}  // namespace sigillo::appliance
