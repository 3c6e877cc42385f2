// The lines of a transcript as bytes: how each is written, and how a whole text is read back strictly. What
// is read is byte for byte what would be written, or it is a fault. Thread rule: pure functions.
#pragma once

#include <provisioning/transcript.hpp>

namespace sigillo::provisioning {

struct TranscriptText {
  std::vector<TranscriptLine> lines;
  std::vector<TranscriptSignature> signatures;
  base::Digest head{};         // of the last line
  base::Digest signed_head{};  // of the last line that is no signature
  std::size_t bad_line = 0;    // 0: all of it holds
  std::string fault;
  std::size_t good_bytes = 0;  // up to the bad line
  bool torn = false;           // the bad line is the last one and has no newline
};
TranscriptText read_transcript(std::string_view text);

// The line with its hash and newline; `head` becomes that hash.
std::string render(const TranscriptLine& line, std::size_t number, base::Digest& head);
std::string render(const TranscriptSignature& signature, base::Digest& head);

base::Digest signing_digest_of(const base::Digest& signed_head);

}  // namespace sigillo::provisioning
