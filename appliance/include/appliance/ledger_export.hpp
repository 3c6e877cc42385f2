// The ledger outside the appliance: an entry as a JSON object, a checkpoint as a C2SP signed note, an export
// as JSON Lines closed by a checkpoint line, and the offline check of one. docs/LEDGER.md has the formats
// byte by byte. Thread rule: pure functions but for the stream they read.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include <base/jwe.hpp>
#include <base/result.hpp>
#include <sealed_store/store.hpp>

namespace sigillo::appliance {

// One line, members in a fixed order, hash included. parse_entry gives nothing for what is not exactly such
// an object.
std::string entry_json(const sealed_store::LedgerEntry& entry);
std::optional<sealed_store::LedgerEntry> parse_entry(std::string_view json);

// C2SP tlog-checkpoint body: origin, size (the head's seq), base64 of the head's hash, and the extension line
// `time <RFC 3339>`; each ends with a newline. The log is a hash chain, so the hash is the chain's and not a
// Merkle root.
struct CheckpointBody {
  std::string origin;
  std::uint64_t seq = 0;
  base::Digest hash{};
  std::string time;
};
std::string origin_of(const std::string& issuer, std::uint32_t node);  // "<issuer>/ledger/<node>"
std::string checkpoint_text(const std::string& issuer, const sealed_store::Head& head);
// C2SP signed-note: text, blank line, "— <origin> <base64(key id || DER signature)>". Signature type 0x02
// (ECDSA P-256 over SHA-256 of the text); its key id is the first four bytes of SHA-256 of the
// SubjectPublicKeyInfo. `raw` is r || s.
std::string signed_note(const std::string& text, const base::EcPublicKey& key, base::ByteView raw);
// The body where a signature of one of these keys holds. `known` false: well formed, signed by none of them.
struct NoteCheck {
  std::optional<CheckpointBody> body;
  bool known = false;
  bool holds = false;
};
NoteCheck check_note(std::string_view note, const std::vector<base::EcPublicKey>& keys);

// ---- exports
// ----------------------------------------------------------------------------------------------------------

// The closing line: {"checkpoint": "<signed note>", "keys": {JWK set}}.
std::string checkpoint_line(const std::string& note, const std::string& jwks);

enum class ExportVerdict : std::uint8_t { intact, altered, gap, cut_tail, unknown_key, unreadable };
struct ExportReport {
  ExportVerdict verdict = ExportVerdict::unreadable;
  std::uint64_t entries = 0;
  std::uint64_t at = 0;                      // the seq where it does not hold
  std::string detail;                        // a sentence
  bool own_keys = false;                     // checked against the keys that the export carries itself
  std::optional<CheckpointBody> checkpoint;  // where it is intact
};
std::string_view name(ExportVerdict verdict);
// `keys`: nothing where the export's own are to be used.
ExportReport verify_export(std::istream& in, const std::optional<std::vector<base::EcPublicKey>>& keys);
// The keys of a JWK set that may sign a checkpoint: all but those of receipts. Nothing where it is no JWK set
// of P-256 keys.
std::optional<std::vector<base::EcPublicKey>> parse_key_set(std::string_view jwks);

}  // namespace sigillo::appliance
