// The documents of a key ceremony: backup, proof, and the list of keys. JSON, so that a person can read what
// a file is about; base64url for bytes.
#include <algorithm>

#include <appliance/assembly.hpp>
#include <appliance/key_backup.hpp>

#include "json_members.hpp"

namespace sigillo::appliance {
namespace {

namespace json = boost::json;

constexpr std::string_view kBackup = "sigillo.key-backup/1";
constexpr std::string_view kProof = "sigillo.key-proof/1";
constexpr std::string_view kKeys = "sigillo.keys/1";
base::Error malformed() {
  return {Errc::key_backup, "the document is not of the shape or the schema that it should be"};
}

json::object body(const KeyBackup& backup) {
  json::array keys;
  for (const auto& key : backup.keys) {
    keys.push_back({{"label", key.id.label},
                    {"version", key.id.version},
                    {"type", type_name(key.type)},
                    {"wrapped", base::to_base64url(key.wrapped)},
                    {"point", base::to_base64url(key.point)},
                    {"check_value", base::to_base64url(key.check_value)}});
  }
  return {
      {"schema", kBackup}, {"token", backup.token}, {"made_ms", backup.made.ms}, {"keys", std::move(keys)}};
}

base::Digest mac(const KeyBackup& backup, const base::Secret& wrapping_key) {
  const auto key = base::hkdf_sha256(wrapping_key.expose(), base::view("sigillo"),
                                     base::view("sigillo/key-backup/v1"), 32);
  return base::hmac_sha256(key, {base::view(json::serialize(body(backup)))});
}

}  // namespace

std::string encode(const KeyBackup& backup, const base::Secret& wrapping_key) {
  auto out = body(backup);
  out["mac"] = base::to_base64url(mac(backup, wrapping_key));
  return json::serialize(out) + '\n';
}

base::Result<KeyBackup> parse_backup(std::string_view text, const base::Secret& wrapping_key) {
  const auto document = parsed_json(text);
  Members members(document);
  KeyBackup backup;
  members.require(members.text("schema") == kBackup);
  backup.token = members.text("token");
  backup.made.ms = static_cast<std::int64_t>(members.number("made_ms", INT64_MAX));
  for (const auto& value : members.list("keys")) {
    Members key(value);
    hsm::WrappedKey one{{key.text("label"), static_cast<std::uint16_t>(key.number("version", 65'535))},
                        key.type(),
                        key.bytes("wrapped"),
                        key.bytes("point"),
                        key.bytes("check_value")};
    const auto* use = find_use(one.id.label);
    members.require(key.good() && use != nullptr && use->type == one.type && one.id.version > 0);
    backup.keys.push_back(std::move(one));
  }
  const auto said = members.bytes("mac");
  if (!members.good()) return malformed();
  if (!base::constant_time_equal(said, mac(backup, wrapping_key)))
    return base::Error(Errc::key_backup, "the backup was altered, or this is not its wrapping key");
  return backup;
}

std::string encode(const std::vector<KeyProof>& proofs) {
  json::array keys;
  for (const auto& proof : proofs)
    keys.push_back({{"kid", proof.kid}, {"check_value", base::to_hex(proof.check_value)}});
  return json::serialize(json::object{{"schema", kProof}, {"keys", std::move(keys)}}) + '\n';
}

base::Result<std::vector<KeyProof>> parse_proofs(std::string_view text) {
  const auto document = parsed_json(text);
  Members members(document);
  members.require(members.text("schema") == kProof);
  std::vector<KeyProof> out;
  for (const auto& value : members.list("keys")) {
    Members key(value);
    const auto hex = base::from_hex(key.text("check_value"));
    out.push_back({key.text("kid"), hex.value_or(base::Bytes())});
    members.require(key.good() && hex.has_value());
  }
  if (!members.good()) return malformed();
  return out;
}

std::string encode(const KeyRegister& keys) {
  json::array list, records;
  for (const auto& entry : keys.keys()) {
    list.push_back({{"kid", entry.kid()},
                    {"label", entry.label},
                    {"version", entry.version},
                    {"type", type_name(entry.type)},
                    {"state", name(entry.state)},
                    {"since_ms", entry.since.ms},
                    {"check_value", base::to_hex(entry.check_value)},
                    {"point", base::to_base64url(entry.point)}});
  }
  for (const auto& entry : keys.record_keys())
    records.push_back({{"id", entry.id},
                       {"store_version", entry.store_version},
                       {"state", name(entry.state)},
                       {"since_ms", entry.since.ms},
                       {"salt", base::to_base64url(keys.salt_of(entry.id))}});
  return json::serialize(json::object{
             {"schema", kKeys}, {"keys", std::move(list)}, {"record_keys", std::move(records)}}) +
         '\n';
}

base::Result<KeyRegister> parse_register(std::string_view text) {
  const auto document = parsed_json(text);
  Members members(document);
  members.require(members.text("schema") == kKeys);
  KeyRegister out;
  for (const auto& value : members.list("keys")) {
    Members key(value);
    const auto check = base::from_hex(key.text("check_value"));
    KeyEntry entry{key.text("label"),
                   static_cast<std::uint16_t>(key.number("version", 65'535)),
                   key.type(),
                   key.state(),
                   {static_cast<std::int64_t>(key.number("since_ms", INT64_MAX))},
                   check.value_or(base::Bytes()),
                   key.bytes("point")};
    members.require(key.good() && check.has_value() && find_use(entry.label) != nullptr && entry.version > 0);
    out.add(std::move(entry));
  }
  for (const auto& value : members.list("record_keys")) {
    Members key(value);
    const bool salted = value.is_object() && value.get_object().contains("salt");  // not in lists of before
    out.add(RecordKeyEntry{static_cast<std::uint16_t>(key.number("id", 65'535)),
                           static_cast<std::uint16_t>(key.number("store_version", 65'535)),
                           key.state(),
                           {static_cast<std::int64_t>(key.number("since_ms", INT64_MAX))}},
            salted ? key.bytes("salt") : base::Bytes());
    members.require(key.good());
  }
  if (!members.good()) return malformed();
  return out;
}

}  // namespace sigillo::appliance
