#include "machine_backup.hpp"

#include <appliance/key_backup.hpp>

#include "files.hpp"

namespace sigillo::provisioning {
namespace {

constexpr std::size_t kBackupMax = 1024 * 1024;

std::string type_name(hsm::KeyType type) {
  switch (type) {
    case hsm::KeyType::hmac_sha256:
      return "HMAC-SHA256";
    case hsm::KeyType::ec_p256:
      return "EC P-256";
    case hsm::KeyType::ec_p384:
      return "EC P-384";
  }
  return {};
}

base::Result<std::vector<KeyLine>> lines_of(hsm::Token& token) {
  SIGILLO_TRY(const auto keys, appliance::KeyRegister::read(token));
  std::vector<KeyLine> out;
  for (const auto& key : keys.keys())
    out.push_back({key.kid(), type_name(key.type), std::string(appliance::name(key.state)),
                   appliance::check_text(key.check_value)});
  return out;
}

base::Result<appliance::KeyBackup> read_backup(const BackupFiles& files, const base::Secret& wrapping) {
  SIGILLO_TRY(const auto text, read_small_file(files.keys, kBackupMax));
  return appliance::parse_backup(text, wrapping);
}

}  // namespace

base::Result<std::vector<KeyLine>> make_open_keys(hsm::Pkcs11Token& token, base::Instant now) {
  SIGILLO_CHECK(appliance::create_open_keys(token, now));
  return lines_of(token);
}

base::Result<std::string> wrap_keys(hsm::Pkcs11Token& token, const BackupFiles& files,
                                    const base::Secret& wrapping, const std::string& label,
                                    base::Instant now) {
  const auto there = read_backup(files, wrapping);
  if (!there) {
    SIGILLO_TRY(const auto backup, appliance::prepare_backup(token, wrapping, label, now));
    SIGILLO_CHECK(replace_file(files.keys, base::view(appliance::encode(backup, wrapping)), 0600));
  }
  SIGILLO_TRY(const auto text, read_small_file(files.keys, kBackupMax));
  return base::to_hex(base::sha256({base::view(text)}));
}

base::Result<std::vector<KeyLine>> prove_keys(hsm::Pkcs11Token& spare, const BackupFiles& files,
                                              const base::Secret& wrapping, base::Instant now) {
  SIGILLO_TRY(const auto backup, read_backup(files, wrapping));
  SIGILLO_TRY(const auto proofs, appliance::prove_backup(spare, backup, wrapping, now));
  SIGILLO_CHECK(replace_file(files.proof, base::view(appliance::encode(proofs)), 0644));
  std::vector<KeyLine> out;
  for (const auto& proof : proofs)
    out.push_back({proof.kid, {}, "proven", appliance::check_text(proof.check_value)});
  return out;
}

base::Result<std::vector<KeyLine>> close_keys(hsm::Pkcs11Token& token, const BackupFiles& files,
                                              const base::Secret& wrapping, base::Instant now) {
  SIGILLO_TRY(const auto backup, read_backup(files, wrapping));
  SIGILLO_TRY(const auto text, read_small_file(files.proof, kBackupMax));
  SIGILLO_TRY(const auto proofs, appliance::parse_proofs(text));
  SIGILLO_CHECK(appliance::commit_backup(token, backup, wrapping, proofs, now));
  return lines_of(token);
}

}  // namespace sigillo::provisioning
