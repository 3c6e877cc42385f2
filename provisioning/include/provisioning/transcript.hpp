// Transcript: what was done in a ceremony, line by line, as JSON Lines. Every line carries the hash of itself
// and all before it, so that one altered byte is found and named by its line; at the end stand the signatures
// of the officers and of the HSM's ledger key over the last hash. While the ceremony goes on the same file is
// its state: a line is on the disk before the next step begins. No line holds a secret. Thread rule: one
// owner, one thread. docs/CEREMONY.md has the format.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include <base/crypto.hpp>
#include <base/jwe.hpp>
#include <base/result.hpp>

namespace sigillo::provisioning {

struct TranscriptLine {
  std::string time;   // RFC 3339
  std::string step;   // "token"
  std::string event;  // "begun", "done", "note"
  std::string said;   // a sentence for people
  boost::json::object facts;
};

struct TranscriptSignature {
  std::string by;          // "officer:anna", "ledger"
  std::string thumbprint;  // of the key, RFC 7638
  base::Bytes signature;   // r || s over signing_digest()
};

class Transcript {
 public:
  // The file of a ceremony that goes on, or a new one. Errc::transcript where its chain does not hold; the
  // error's raw is the line. A last line that was cut short by a crash is dropped: its step was not done.
  static base::Result<Transcript> open(const std::filesystem::path& file);
  static Transcript rehearsed() { return Transcript({}); }  // of no file

  base::Result<void> append(TranscriptLine line);
  base::Result<void> sign(TranscriptSignature signature);

  const std::vector<TranscriptLine>& lines() const { return lines_; }
  const std::vector<TranscriptSignature>& signatures() const { return signatures_; }
  const base::Digest& head() const { return head_; }
  // What is signed: SHA-256("sigillo/transcript/v1" || 0x00 || head of the last line that is no signature).
  base::Digest signing_digest() const;
  bool done(std::string_view step) const { return find(step, "done") != nullptr; }
  bool begun(std::string_view step) const { return find(step, "begun") != nullptr; }
  const TranscriptLine* find(std::string_view step, std::string_view event) const;  // the last one

 private:
  explicit Transcript(std::filesystem::path file) : file_(std::move(file)) {}
  base::Result<void> write(const std::string& line);

  std::filesystem::path file_;
  std::vector<TranscriptLine> lines_;
  std::vector<TranscriptSignature> signatures_;
  base::Digest head_{};
};

// The offline check.
enum class TranscriptVerdict : std::uint8_t { intact, altered, unfinished, unknown_key, unreadable };
std::string_view name(TranscriptVerdict verdict);
struct TranscriptReport {
  TranscriptVerdict verdict = TranscriptVerdict::unreadable;
  std::size_t line = 0;           // where it does not hold; 0: nowhere in particular
  std::string detail;             // a sentence
  std::string kind = "ceremony";  // or "renewal", which no officer signs
  std::string appliance, digest;
  std::vector<std::string> signers;
  std::size_t lines = 0;
};
// `trusted`: the ledger's key from elsewhere; nothing: the transcript's own word for it.
TranscriptReport verify_transcript(std::string_view text,
                                   const std::optional<std::vector<base::EcPublicKey>>& trusted);

}  // namespace sigillo::provisioning
