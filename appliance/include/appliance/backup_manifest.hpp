// BackupManifest: what lies in a backup of the store, as one signed document: which appliance and which
// moment of it, the files with their digests, and what a token must have to open them. `sigillo backup` makes
// and checks it, `sigillo restore` reads it before it touches anything. Signed by the ledger's HSM key, under
// a domain of its own: whoever can write into the folder where backups lie makes none that passes for the
// appliance's. A text that is not byte for byte what manifest_text() writes is none, so there is one reading
// of it. Thread rule: values and pure functions. Never: holds a secret, or says that the files are good:
// backup_check.hpp does.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <appliance/key_register.hpp>
#include <base/jwe.hpp>
#include <sealed_store/values.hpp>

namespace sigillo::appliance {

inline constexpr const char* kManifestName = "manifest.jsonl";
inline constexpr std::size_t kManifestMax = 1024 * 1024;

// store and keys are in every backup; the rest is what the configuration named and is no secret.
enum class BackupRole : std::uint8_t { store, keys, configuration, certificate, channel_ca };
std::string_view name(BackupRole role);

struct BackupFile {
  BackupRole role = BackupRole::store;
  std::string name;  // in the backup's folder: 1 to 128 of A-Z a-z 0-9 . _ -, not beginning with a dot
  std::uint64_t bytes = 0;
  base::Digest sha256{};
};

struct AnchorPosition {
  std::uint64_t epoch = 0;
  sealed_store::Head head;
};

struct BackupManifest {
  std::string appliance;  // its id, as `sigillo status` shows it: kept in the store
  std::string issuer;     // audit.issuer
  base::Instant made{};
  std::uint32_t schema = 0;         // of the store's file
  std::uint16_t store_version = 1;  // of the store key that opens it
  std::string policy;               // digest of the policy accepted last, hex
  sealed_store::Head head;          // the ledger of the file ends with
  std::uint64_t base = 0;           // and begins after
  AnchorPosition anchor;            // as the token had it when the copy was begun: never behind head
  KeyRegister keys;                 // states and check values of every key
  std::vector<BackupFile> files;

  const BackupFile* find(BackupRole role) const;  // nullptr where there is none
  std::string store_kid() const { return "sigillo.store-v" + std::to_string(store_version); }
};

// "sigillo.backup/1", one line of JSON without its newline.
std::string manifest_text(const BackupManifest& manifest);
// What is signed: SHA-256("sigillo/backup/v1" || 0x00 || text).
base::Digest manifest_digest(std::string_view text);

struct SignedManifest {
  BackupManifest manifest;
  std::string text;
  std::string kid;         // of the ledger key that signed
  std::string thumbprint;  // RFC 7638
  base::Bytes signature;   // r || s, 64 bytes
};
// The file: the manifest's line, and {"signature":{"kid","thumbprint","signature"}} as the second.
std::string manifest_file(std::string_view text, std::string_view kid, const base::EcPublicKey& key,
                          base::ByteView signature);
// Errc::backup where its shape does not hold, Errc::backup_version where it is of a later version. Whether
// somebody signed it is asked next.
base::Result<SignedManifest> parse_manifest(std::string_view file);

enum class ManifestSignature : std::uint8_t { good, bad, unknown_key };
ManifestSignature check_signature(const SignedManifest& manifest,
                                  const std::vector<base::EcPublicKey>& ledger_keys);
// The ledger keys of a register, retired ones too. A manifest's own say nothing about who signed it.
std::vector<base::EcPublicKey> ledger_keys(const KeyRegister& keys);

}  // namespace sigillo::appliance
