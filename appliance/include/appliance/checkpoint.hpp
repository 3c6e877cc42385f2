// Checkpoints: the ledger's head as a C2SP signed note, made and checked. The end of a segment that was
// pruned is one too, with a line that says where the segment began: only such a note may stand where a ledger
// begins. docs/LEDGER.md has the format byte by byte. Thread rule: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <base/jwe.hpp>
#include <base/result.hpp>
#include <sealed_store/values.hpp>

namespace sigillo::appliance {

// C2SP tlog-checkpoint body: origin, size (the head's seq), base64 of the head's hash, and the extension line
// `time <RFC 3339>`; of a segment's end also `segment <its first seq>`. Each ends with a newline. The log is
// a hash chain, so the hash is the chain's and not a Merkle root.
struct CheckpointBody {
  std::string origin;
  std::uint64_t seq = 0;
  base::Digest hash{};
  std::string time;
  std::optional<std::uint64_t> segment_from;
};
std::string origin_of(const std::string& issuer, std::uint32_t node);  // "<issuer>/ledger/<node>"
std::string checkpoint_text(const std::string& issuer, const sealed_store::Head& head,
                            std::optional<std::uint64_t> segment_from = {});
// C2SP signed-note: text, blank line, "— <origin> <base64(key id || DER signature)>". Signature type 0x02
// (ECDSA P-256 over SHA-256 of the text); its key id is the first four bytes of SHA-256 of the
// SubjectPublicKeyInfo. `raw` is r || s.
std::string signed_note(const std::string& text, const base::EcPublicKey& key, base::ByteView raw);
// The body where the note is well formed; `known` where one of these keys is meant, `holds` where it has
// signed.
struct NoteCheck {
  std::optional<CheckpointBody> body;
  bool known = false;
  bool holds = false;
};
NoteCheck check_note(std::string_view note, const std::vector<base::EcPublicKey>& keys);

}  // namespace sigillo::appliance
