#include <appliance/backup_check.hpp>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include <appliance/assembly.hpp>
#include <base/file_digest.hpp>

#include "backup_content.hpp"
#include "key_ring.hpp"
#include "parts.hpp"
#include "policy_floor.hpp"

namespace sigillo::appliance {
namespace {

namespace fs = std::filesystem;
using sealed_store::FileErrc;

base::Error stopped() {
  return {FileErrc::stopped, "it was told to stop"};
}

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

BackupFinding found(BackupVerdict verdict, std::vector<std::string> about, std::string detail) {
  return {verdict, std::move(about), std::move(detail)};
}

// SQLite would read these together with the file, and nobody has signed for them.
std::optional<std::string> beside(const fs::path& folder, const std::string& store) {
  for (const char* suffix : {"-wal", "-journal", "-shm"}) {
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(folder / (store + suffix), ignored))) return store + suffix;
  }
  return std::nullopt;
}

template <class T>
base::Result<T> record_of(sealed_store::StoreFile& file, const sealed_store::RecordSealer& sealer,
                          Table table) {
  const auto key = record_key(table, Id{});
  SIGILLO_TRY(const auto sealed, file.read(key));
  if (!sealed) return base::Error(Errc::backup, "the store does not say whose it is");
  SIGILLO_TRY(const auto plain, sealer.open(key, *sealed));
  auto record = codec::decode<T>(plain.expose());
  if (!record) return base::Error(Errc::backup, "a sealed record does not decode");
  return std::move(*record);
}

// Of the file itself, and not of what failed around it.
bool is_of_content(const base::Error& error) {
  using enum sealed_store::Errc;
  return error.is(corrupt) || error.is(stale) || error.is(rolled_back) || error.is(schema) ||
         error.is(Errc::backup);
}

bool same(const sealed_store::Head& one, const sealed_store::Head& other) {
  return one.node == other.node && one.seq == other.seq && one.hash == other.hash && one.time == other.time;
}

std::string difference(const BackupManifest& manifest, const BackupContent& content) {
  if (content.appliance != manifest.appliance) return "it is another appliance's";
  if (!same(content.store.head, manifest.head) || content.store.base.seq != manifest.base)
    return "its ledger stands at another place";
  if (content.store.schema != manifest.schema) return "it has another schema";
  if (content.policy != manifest.policy) return "it has another policy";
  if (!content.holds_anchor) return "its ledger does not have what was anchored";
  return {};
}

}  // namespace

std::string_view name(BackupVerdict verdict) {
  switch (verdict) {
    case BackupVerdict::intact:
      return "intact";
    case BackupVerdict::altered:
      return "altered";
    case BackupVerdict::missing_file:
      return "missing file";
    case BackupVerdict::bad_signature:
      return "bad signature";
    case BackupVerdict::unknown_key:
      return "unknown key";
    case BackupVerdict::key_missing:
      return "key missing";
    case BackupVerdict::key_differs:
      return "key differs";
  }
  std::abort();
}

base::Result<SignedManifest> read_manifest(const fs::path& folder) {
  errno = 0;
  std::ifstream in(folder / kManifestName, std::ios::binary);
  if (!in)
    return base::Error(base::FileErrc::failed, "the manifest could not be opened",
                       static_cast<unsigned long>(errno));
  std::string text(kManifestMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return base::Error(base::FileErrc::failed, "the manifest could not be read", EIO);
  text.resize(static_cast<std::size_t>(in.gcount()));
  return parse_manifest(text);
}

base::Result<BackupFinding> check_files(const fs::path& folder, const SignedManifest& manifest,
                                        const std::optional<std::vector<base::EcPublicKey>>& trusted,
                                        const BackupProgress& progress) {
  switch (check_signature(manifest, trusted ? *trusted : ledger_keys(manifest.manifest.keys))) {
    case ManifestSignature::bad:
      return found(BackupVerdict::bad_signature, {kManifestName},
                   "The manifest does not bear the signature of " + manifest.kid + '.');
    case ManifestSignature::unknown_key:
      return found(BackupVerdict::unknown_key, {kManifestName},
                   "The manifest is signed by none of the keys that are trusted.");
    case ManifestSignature::good:
      break;
  }
  std::uint64_t total = 0, done = 0;
  for (const auto& file : manifest.manifest.files) total += file.bytes;
  std::vector<std::string> missing, altered;
  for (const auto& file : manifest.manifest.files) {
    const auto read = [&](std::uint64_t bytes) {
      return !progress || progress(done + bytes, total, "bytes of files read");
    };
    const auto digest = base::digest_of_file(folder / file.name, read);
    if (!digest && digest.error().raw() == ECANCELED) return stopped();
    if (!digest && digest.error().raw() == ENOENT) {
      missing.push_back(file.name);
    } else if (!digest && digest.error().raw() != ELOOP) {
      return digest.error();
    } else if (!digest || digest->bytes != file.bytes || digest->sha256 != file.sha256) {
      altered.push_back(file.name);
    }
    done += file.bytes;
  }
  if (!missing.empty())
    return found(BackupVerdict::missing_file, missing, "Not in the folder: " + listed(missing) + '.');
  if (!altered.empty())
    return found(BackupVerdict::altered, altered, "Not what was signed for: " + listed(altered) + '.');
  if (auto extra = beside(folder, manifest.manifest.find(BackupRole::store)->name))
    return found(BackupVerdict::altered, {*extra},
                 *extra + " stands beside the store, and was not signed for.");
  return BackupFinding{};
}

base::Result<BackupFinding> check_keys(const BackupManifest& manifest, hsm::Token& token) {
  std::vector<std::string> missing, differing;
  for (const auto& entry : manifest.keys.keys()) {
    if (!entry.usable()) continue;
    const auto key = token.find_key(entry.id());
    if (!key && key.error().is(hsm::Errc::no_such_key)) {
      missing.push_back(entry.kid());
      continue;
    }
    if (!key) return key.error();
    SIGILLO_TRY(const auto value, hsm::check_value(token, *key, entry.type));
    if (value != entry.check_value) differing.push_back(entry.kid());
  }
  if (!missing.empty())
    return found(BackupVerdict::key_missing, missing, "Not on the token: " + listed(missing) + '.');
  if (!differing.empty())
    return found(BackupVerdict::key_differs, differing,
                 "The token has other keys under these names: " + listed(differing) + '.');
  const auto* store = manifest.keys.find({KeyLabels::store, manifest.store_version});
  if (store == nullptr || !store->usable())
    return found(BackupVerdict::altered, {kManifestName},
                 "The manifest names a store key that it does not list.");
  return BackupFinding{};
}

base::Result<BackupContent> read_content(const fs::path& file, hsm::Token& token, const KeyRegister& keys,
                                         std::uint16_t store_version, const sealed_store::Head& anchored,
                                         const BackupProgress& progress) {
  const auto shown = [&](std::uint64_t done, std::uint64_t total) {
    return !progress || progress(done, total, "parts of the store checked");
  };
  SIGILLO_TRY(const auto file_keys, store_keys(token, store_version));
  SIGILLO_TRY(const auto in_use, find_keys(token, keys));
  SIGILLO_TRY(const auto opened, sealed_store::StoreFile::open(file, file_keys));
  BackupContent out;
  SIGILLO_TRY(out.store, opened->check(shown));
  SIGILLO_TRY(const auto appliance, record_of<ApplianceRecord>(*opened, *in_use.sealer, Table::appliance));
  SIGILLO_TRY(const auto policy, record_of<PolicyRecord>(*opened, *in_use.sealer, Table::policy));
  out.appliance = to_text(appliance.id);
  out.policy = policy_digest(policy);
  SIGILLO_TRY(const auto hash, opened->hash_at(anchored.seq));
  // What was pruned since is before the base, which is signed for by itself.
  out.holds_anchor = anchored.seq < out.store.base.seq || (hash && *hash == anchored.hash);
  return out;
}

base::Result<BackupFinding> check_store(const fs::path& folder, const BackupManifest& manifest,
                                        hsm::Token& token, const BackupProgress& progress) {
  const auto& file = manifest.find(BackupRole::store)->name;
  const auto content = read_content(folder / file, token, manifest.keys, manifest.store_version,
                                    manifest.anchor.head, progress);
  if (!content && is_of_content(content.error()))
    return found(BackupVerdict::altered, {file},
                 file + " does not hold: " + std::string(content.error().detail()) + '.');
  if (!content) return content.error();
  if (const auto other = difference(manifest, *content); !other.empty())
    return found(BackupVerdict::altered, {file}, file + " is not what the manifest says: " + other + '.');
  return BackupFinding{};
}

}  // namespace sigillo::appliance
