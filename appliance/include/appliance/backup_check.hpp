// Is a backup's folder what the appliance put there, and does this token open it? In three steps, each of
// which believes the one before: the files against the signed manifest, which needs no HSM; every key that
// the backup needs against the token, before anything is opened with it; and the store's file, opened and
// checked whole. `sigillo backup verify` and `sigillo restore` both ask here. A finding that is not intact is
// an answer; an error is a disk or an HSM that did not serve. Thread rule: one caller. Never: writes, into
// the folder or the token.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <appliance/backup_manifest.hpp>
#include <hsm/token.hpp>
#include <sealed_store/store_file.hpp>

namespace sigillo::appliance {

enum class BackupVerdict : std::uint8_t {
  intact,
  altered,  // a file is not the one that was signed for, or the manifest has no such shape, or the content
            // does not hold
  missing_file,
  bad_signature,
  unknown_key,  // signed by none of the keys that are trusted
  key_missing,  // on the token
  key_differs,  // the token has another key of that name
};
std::string_view name(BackupVerdict verdict);

struct BackupFinding {
  BackupVerdict verdict = BackupVerdict::intact;
  std::vector<std::string> about;  // files by name, or keys by kid: every one that it is so of
  std::string detail;              // a sentence
  bool intact() const { return verdict == BackupVerdict::intact; }
};

// False: stop, with FileErrc::stopped.
using BackupProgress = std::function<bool(std::uint64_t done, std::uint64_t total, std::string_view text)>;

// The manifest of a folder; Errc::backup where it has no such shape, base::FileErrc::failed with raw ENOENT
// where there is none.
base::Result<SignedManifest> read_manifest(const std::filesystem::path& folder);

// Signature, then sizes and digests of the files. Without keys the manifest's own word is taken for who
// signed.
base::Result<BackupFinding> check_files(const std::filesystem::path& folder, const SignedManifest& manifest,
                                        const std::optional<std::vector<base::EcPublicKey>>& trusted,
                                        const BackupProgress& progress);
// Every key that was in use (active, retiring) is on the token with the check value it had.
base::Result<BackupFinding> check_keys(const BackupManifest& manifest, hsm::Token& token);
// After the two: the store's file with this token's keys, as StoreFile::check() does, and that it is what the
// manifest says it is.
base::Result<BackupFinding> check_store(const std::filesystem::path& folder, const BackupManifest& manifest,
                                        hsm::Token& token, const BackupProgress& progress);

}  // namespace sigillo::appliance
