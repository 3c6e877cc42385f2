#include <appliance/backup_manifest.hpp>

#include <algorithm>

#include <appliance/assembly.hpp>
#include <appliance/key_backup.hpp>
#include <base/ecdsa.hpp>

#include "json_members.hpp"

namespace sigillo::appliance {
namespace {

namespace json = boost::json;

constexpr std::string_view kFamily = "sigillo.backup/";
constexpr std::string_view kSchema = "sigillo.backup/1";
constexpr std::string_view kDomain = "sigillo/backup/v1";
constexpr std::size_t kSignatureBytes = 64;
constexpr std::size_t kNameMax = 128;
constexpr BackupRole kRoles[] = {BackupRole::store, BackupRole::keys, BackupRole::configuration,
                                 BackupRole::certificate, BackupRole::channel_ca};

base::Error malformed() {
  return {Errc::backup, "the manifest is not of the shape that it should be"};
}

// Attack: (1) name "../../etc/cron.d/x" as a file of a backup, (2) have it restored. A name is one plain
// file's in the folder, and no two are the same.
bool sound_name(std::string_view name) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !name.empty() && name.size() <= kNameMax && name.front() != '.' && name != kManifestName &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

json::object shown(const sealed_store::Head& head) {
  return {
      {"node", head.node}, {"seq", head.seq}, {"hash", base::to_hex(head.hash)}, {"time_ms", head.time.ms}};
}

base::Digest digest_of(Members& members, const char* name) {
  base::Digest out{};
  const auto bytes = members.hex(name);
  members.require(bytes.size() == out.size());
  if (bytes.size() == out.size()) std::ranges::copy(bytes, out.begin());
  return out;
}

sealed_store::Head head_of(Members& members) {
  return {static_cast<std::uint32_t>(members.number("node", UINT32_MAX)),
          members.number("seq", INT64_MAX),
          digest_of(members, "hash"),
          {static_cast<std::int64_t>(members.number("time_ms", INT64_MAX))}};
}

std::vector<BackupFile> files_of(Members& members) {
  std::vector<BackupFile> files;
  for (const auto& value : members.list("files")) {
    Members file(value);
    const auto said = file.text("role");
    const auto role = std::ranges::find(kRoles, said, [](BackupRole one) { return name(one); });
    file.require(role != std::end(kRoles));
    if (!file.good()) break;
    files.push_back({*role, file.text("name"), file.number("bytes", INT64_MAX), digest_of(file, "sha256")});
    members.require(file.good() && sound_name(files.back().name));
  }
  for (auto one = files.begin(); one != files.end(); ++one) {
    for (auto other = files.begin(); other != one; ++other)
      members.require(one->role != other->role && one->name != other->name);
  }
  return files;
}

base::Result<BackupManifest> parse_text(std::string_view text) {
  const auto document = parsed_json(text);
  Members members(document);
  const auto schema = members.text("schema");
  if (schema != kSchema && schema.starts_with(kFamily))
    return base::Error(Errc::backup_version, "the backup was made by a newer version");
  members.require(schema == kSchema);
  BackupManifest out;
  out.appliance = members.text("appliance");
  out.issuer = members.text("issuer");
  const auto made = base::parse_rfc3339(members.text("made_at"));
  out.made = made.value_or(base::Instant());
  out.schema = static_cast<std::uint32_t>(members.number("store_schema", UINT32_MAX));
  out.store_version = static_cast<std::uint16_t>(members.number("store_version", UINT16_MAX));
  out.policy = members.text("policy");
  Members ledger(members.member("ledger"));
  out.head = head_of(ledger);
  out.base = ledger.number("base", INT64_MAX);
  Members anchor(members.member("anchor"));
  out.anchor = {anchor.number("epoch", INT64_MAX), head_of(anchor)};
  out.files = files_of(members);
  auto keys = parse_register(json::serialize(members.member("keys")));
  if (!keys || !made || !members.good() || !ledger.good() || !anchor.good()) return malformed();
  out.keys = std::move(*keys);
  // As for acts: one text, one reading.
  if (out.find(BackupRole::store) == nullptr || out.find(BackupRole::keys) == nullptr ||
      manifest_text(out) != text) {
    return malformed();
  }
  return out;
}

}  // namespace

std::string_view name(BackupRole role) {
  switch (role) {
    case BackupRole::store:
      return "store";
    case BackupRole::keys:
      return "keys";
    case BackupRole::configuration:
      return "configuration";
    case BackupRole::certificate:
      return "certificate";
    case BackupRole::channel_ca:
      return "channel-ca";
  }
  std::abort();
}

const BackupFile* BackupManifest::find(BackupRole role) const {
  const auto found = std::ranges::find(files, role, &BackupFile::role);
  return found == files.end() ? nullptr : &*found;
}

std::string manifest_text(const BackupManifest& manifest) {
  auto ledger = shown(manifest.head);
  ledger["base"] = manifest.base;
  auto anchor = shown(manifest.anchor.head);
  anchor["epoch"] = manifest.anchor.epoch;
  json::array files;
  for (const auto& file : manifest.files) {
    files.push_back({{"role", name(file.role)},
                     {"name", file.name},
                     {"bytes", file.bytes},
                     {"sha256", base::to_hex(file.sha256)}});
  }
  return json::serialize(json::object{{"schema", kSchema},
                                      {"appliance", manifest.appliance},
                                      {"issuer", manifest.issuer},
                                      {"made_at", base::to_rfc3339(manifest.made)},
                                      {"store_schema", manifest.schema},
                                      {"store_version", manifest.store_version},
                                      {"policy", manifest.policy},
                                      {"ledger", std::move(ledger)},
                                      {"anchor", std::move(anchor)},
                                      {"files", std::move(files)},
                                      {"keys", parsed_json(encode(manifest.keys))}});
}

base::Digest manifest_digest(std::string_view text) {
  constexpr base::ByteArray<1> kEnd{0};
  return base::sha256({base::view(kDomain), kEnd, base::view(text)});
}

std::string manifest_file(std::string_view text, std::string_view kid, const base::EcPublicKey& key,
                          base::ByteView signature) {
  const json::object line{
      {"signature",
       {{"kid", kid}, {"thumbprint", key.thumbprint()}, {"signature", base::to_base64url(signature)}}}};
  return std::string(text) + '\n' + json::serialize(line) + '\n';
}

base::Result<SignedManifest> parse_manifest(std::string_view file) {
  const auto end = file.find('\n');
  if (file.size() > kManifestMax || end == std::string_view::npos || !file.ends_with('\n'))
    return malformed();
  SignedManifest out;
  SIGILLO_TRY(out.manifest, parse_text(file.substr(0, end)));
  out.text = file.substr(0, end);
  const auto second = file.substr(end + 1);
  const auto document = parsed_json(second);
  Members members(document);
  Members signature(members.member("signature"));
  out.kid = signature.text("kid");
  out.thumbprint = signature.text("thumbprint");
  out.signature = signature.bytes("signature");
  if (!members.good() || !signature.good() || out.signature.size() != kSignatureBytes ||
      json::serialize(document) + '\n' != second) {
    return malformed();
  }
  return out;
}

ManifestSignature check_signature(const SignedManifest& manifest,
                                  const std::vector<base::EcPublicKey>& keys) {
  const auto digest = manifest_digest(manifest.text);
  const auto der = base::ecdsa_der(manifest.signature);
  bool known = false;
  for (const auto& key : keys) {
    const bool named = key.thumbprint() == manifest.thumbprint;
    const bool signs = base::ecdsa_verify(key, digest, der);
    if (named && signs) return ManifestSignature::good;
    // A name that was edited is an alteration: the key behind it is known all the same.
    known = known || named || signs;
  }
  return known ? ManifestSignature::bad : ManifestSignature::unknown_key;
}

std::vector<base::EcPublicKey> ledger_keys(const KeyRegister& keys) {
  std::vector<base::EcPublicKey> out;
  for (const auto& entry : keys.keys()) {
    auto key = entry.label == KeyLabels::ledger ? base::EcPublicKey::from_point(entry.point) : std::nullopt;
    if (key) out.push_back(std::move(*key));
  }
  return out;
}

}  // namespace sigillo::appliance
