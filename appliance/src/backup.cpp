#include "backup.hpp"

#include <cerrno>
#include <fstream>

#include <base/file_digest.hpp>

#include <appliance/key_backup.hpp>
#include "backup_content.hpp"
#include "backup_folder.hpp"

namespace sigillo::appliance {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStore = "sigillo.db";
constexpr const char* kKeys = "sigillo.db.keys";
constexpr const char* kConfiguration = "sigillo.toml";
constexpr const char* kCertificate = "server.pem";
constexpr const char* kChannelCa = "channel-ca.pem";
constexpr std::size_t kSmallMax = 1024 * 1024;

base::Result<std::string> read_small(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(kSmallMax + 1, '\0');
  if (!in || (in.read(text.data(), static_cast<std::streamsize>(text.size())), in.bad()))
    return base::Error(base::FileErrc::failed, "the configuration or a certificate could not be read");
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kSmallMax)
    return base::Error(base::FileErrc::failed, "the configuration or a certificate is too long to be one");
  return text;
}

base::Result<void> add(const BackupFolder& folder, BackupManifest& manifest, BackupRole role,
                       const char* name, std::string_view content) {
  SIGILLO_CHECK(folder.add(name, content));
  manifest.files.push_back({role, name, content.size(), base::sha256({base::view(content)})});
  return base::ok();
}

base::Result<void> add_copy(const BackupFolder& folder, BackupManifest& manifest, BackupRole role,
                            const char* name, const std::string& path) {
  if (path.empty()) return base::ok();
  SIGILLO_TRY(const auto content, read_small(path));
  return add(folder, manifest, role, name, content);
}

// The copy, and what it says of itself. The anchor is looked at before: what it says is durable, so that the
// copy taken after it has it.
base::Result<sealed_store::StoreContents> add_store(Assembly::Parts& parts, const BackupFolder& folder,
                                                    BackupManifest& manifest,
                                                    const BackupProgress& progress) {
  SIGILLO_TRY(manifest.keys, KeyRegister::read(*parts.token));
  const auto* active = manifest.keys.active(KeyLabels::store);
  if (active == nullptr) return base::Error(hsm::Errc::no_such_key, "no active store key");
  manifest.store_version = active->version;
  SIGILLO_TRY(const auto keys, store_keys(*parts.token, active->version));
  SIGILLO_TRY(manifest.anchor, parts.anchor->position());
  const auto copying = [&](std::uint64_t done, std::uint64_t total) {
    return progress(done, total, "pages copied");
  };
  const auto file = folder.file(kStore);
  SIGILLO_CHECK(
      sealed_store::copy_store_file(parts.config.store.path, file.string(), keys.page_key, copying));
  SIGILLO_TRY(const auto content, read_content(file, *parts.token, manifest.keys, manifest.store_version,
                                               manifest.anchor.head, progress));
  if (content.appliance != parts.appliance_id || !content.holds_anchor)
    return base::Error(Errc::backup, "the copy is not of the store that is open");
  manifest.appliance = content.appliance;
  manifest.policy = content.policy;
  manifest.schema = content.store.schema;
  manifest.head = content.store.head;
  manifest.base = content.store.base.seq;
  const auto reading = [&](std::uint64_t bytes) { return progress(bytes, 0, "bytes of the copy read"); };
  SIGILLO_TRY(const auto digest, base::digest_of_file(file, reading));
  manifest.files.push_back({BackupRole::store, kStore, digest.bytes, digest.sha256});
  return content.store;
}

}  // namespace

base::Result<MadeBackup> make_backup(Assembly::Parts& parts, const fs::path& target,
                                     const BackupProgress& progress) {
  SIGILLO_TRY(auto folder, BackupFolder::begin(target));
  MadeBackup out;
  auto& manifest = out.manifest;
  const auto& config = parts.config;
  manifest.issuer = config.audit.issuer;
  manifest.made = {parts.context().now().ms / 1000 * 1000};
  SIGILLO_TRY(out.contents, add_store(parts, folder, manifest, progress));
  SIGILLO_CHECK(add(folder, manifest, BackupRole::keys, kKeys, encode(manifest.keys)));
  SIGILLO_CHECK(add_copy(folder, manifest, BackupRole::configuration, kConfiguration, config.file));
  SIGILLO_CHECK(add_copy(folder, manifest, BackupRole::certificate, kCertificate, config.server.certificate));
  SIGILLO_CHECK(add_copy(folder, manifest, BackupRole::channel_ca, kChannelCa, config.server.channel_ca));
  out.text = manifest_text(manifest);
  const auto keys = parts.ring.snapshot();
  SIGILLO_TRY(const auto signature, parts.token->sign(keys->ledger, manifest_digest(out.text)));
  // Last: a folder without it is no backup.
  SIGILLO_CHECK(
      folder.add(kManifestName, manifest_file(out.text, keys->ledger_kid, keys->ledger_public(), signature)));
  SIGILLO_CHECK(folder.finish());
  return out;
}

}  // namespace sigillo::appliance
