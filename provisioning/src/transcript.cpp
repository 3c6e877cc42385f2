#include <provisioning/transcript.hpp>

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>
#include <boost/json/serialize.hpp>

#include <base/ecdsa.hpp>
#include <provisioning/command.hpp>

#include "files.hpp"
#include "transcript_lines.hpp"

namespace sigillo::provisioning {
namespace {

constexpr std::size_t kTranscriptMax = 4 * 1024 * 1024;

base::Error failed(const char* what) {
  return {Errc::file, what, static_cast<unsigned long>(errno)};
}

// Of an enrolled officer, or of the ledger, as the transcript itself has it.
std::optional<base::EcPublicKey> key_of(const std::vector<TranscriptLine>& lines, const std::string& by) {
  for (const auto& line : lines) {
    const auto* of = line.facts.if_contains("signs_as");
    const auto* jwk = line.facts.if_contains("public_key");
    if (of != nullptr && of->is_string() && std::string_view(of->get_string()) == by && jwk != nullptr)
      return base::EcPublicKey::from_jwk(boost::json::serialize(*jwk));
  }
  return std::nullopt;
}

std::string text_of(const std::vector<TranscriptLine>& lines, std::string_view name) {
  for (const auto& line : lines) {
    const auto* value = line.facts.if_contains(name);
    if (value != nullptr && value->is_string()) return std::string(value->get_string());
  }
  return {};
}

TranscriptReport& refuse(TranscriptReport& report, TranscriptVerdict verdict, std::size_t line,
                         std::string detail) {
  report.verdict = verdict;
  report.line = line;
  report.detail = std::move(detail);
  return report;
}

}  // namespace

std::string_view name(TranscriptVerdict verdict) {
  switch (verdict) {
    case TranscriptVerdict::intact:
      return "intact";
    case TranscriptVerdict::altered:
      return "altered";
    case TranscriptVerdict::unfinished:
      return "unfinished";
    case TranscriptVerdict::unknown_key:
      return "unknown-key";
    case TranscriptVerdict::unreadable:
      return "unreadable";
  }
  return "unreadable";
}

base::Result<Transcript> Transcript::open(const std::filesystem::path& file) {
  Transcript out(file);
  std::error_code missing;
  if (!std::filesystem::exists(file, missing)) {
    SIGILLO_CHECK(write_new_file(file, {}, 0644));
    return out;
  }
  SIGILLO_TRY(const auto text, read_small_file(file, kTranscriptMax));
  auto read = read_transcript(text);
  if (read.bad_line != 0 && !read.torn)
    return base::Error(Errc::transcript, "a line of the transcript does not hold", read.bad_line);
  if (read.torn && ::truncate(file.c_str(), static_cast<off_t>(read.good_bytes)) != 0)
    return failed("the transcript's last line could not be cut off");
  out.lines_ = std::move(read.lines);
  out.signatures_ = std::move(read.signatures);
  out.head_ = read.head;
  return out;
}

base::Result<void> Transcript::write(const std::string& line) {
  if (file_.empty()) return base::ok();
  const int fd = ::open(file_.c_str(), O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return failed("the transcript could not be opened");
  const ssize_t wrote = ::write(fd, line.data(), line.size());
  const bool good = wrote == static_cast<ssize_t>(line.size()) && ::fsync(fd) == 0;
  ::close(fd);
  if (!good) return failed("the transcript could not be written");
  return base::ok();
}

base::Result<void> Transcript::append(TranscriptLine line) {
  base::Digest head = head_;
  SIGILLO_CHECK(write(render(line, lines_.size() + 1, head)));
  head_ = head;
  lines_.push_back(std::move(line));
  return base::ok();
}

base::Result<void> Transcript::sign(TranscriptSignature signature) {
  base::Digest head = head_;
  SIGILLO_CHECK(write(render(signature, head)));
  head_ = head;
  signatures_.push_back(std::move(signature));
  return base::ok();
}

base::Digest Transcript::signing_digest() const {
  base::Digest head{};
  for (std::size_t i = 0; i < lines_.size(); ++i) static_cast<void>(render(lines_[i], i + 1, head));
  return signing_digest_of(head);
}

const TranscriptLine* Transcript::find(std::string_view step, std::string_view event) const {
  const TranscriptLine* found = nullptr;
  for (const auto& line : lines_) {
    if (line.step == step && line.event == event) found = &line;
  }
  return found;
}

TranscriptReport verify_transcript(std::string_view text,
                                   const std::optional<std::vector<base::EcPublicKey>>& trusted) {
  TranscriptReport report;
  const auto read = read_transcript(text);
  report.lines = read.lines.size() + read.signatures.size();
  if (read.bad_line == 1 || (read.bad_line == 0 && read.lines.empty()))
    return refuse(report, TranscriptVerdict::unreadable, 1, "this is not the transcript of a ceremony");
  if (read.bad_line != 0)
    return refuse(report, read.torn ? TranscriptVerdict::unfinished : TranscriptVerdict::altered,
                  read.bad_line, read.fault);
  // A renewal of shares is the custodians' own: its line of that name is under the ledger key's signature.
  const bool renewal = read.lines.front().step == "renewal";
  if (renewal) report.kind = "renewal";
  report.appliance = text_of(read.lines, "appliance");
  report.digest = base::to_hex(signing_digest_of(read.signed_head));
  if (read.lines.back().step != "complete")
    return refuse(
        report, TranscriptVerdict::unfinished, 0,
        renewal ? "the renewal was not brought to its end" : "the ceremony was not brought to its end");
  const auto digest = signing_digest_of(read.signed_head);
  bool ledger = false;
  for (std::size_t i = 0; i < read.signatures.size(); ++i) {
    const auto& signature = read.signatures[i];
    const auto at = read.lines.size() + i + 1;
    const auto key = key_of(read.lines, signature.by);
    if (!key || key->thumbprint() != signature.thumbprint)
      return refuse(report, TranscriptVerdict::altered, at,
                    signature.by + " is nobody's who was enrolled here");
    if (!base::ecdsa_verify(*key, digest, base::ecdsa_der(signature.signature)))
      return refuse(report, TranscriptVerdict::altered, at,
                    "the signature of " + signature.by + " does not hold");
    if (std::ranges::find(report.signers, signature.by) != report.signers.end())
      return refuse(report, TranscriptVerdict::altered, at, signature.by + " signs twice");
    report.signers.push_back(signature.by);
    if (signature.by != "ledger") continue;
    ledger = true;
    const auto same = [&](const base::EcPublicKey& known) { return known.point() == key->point(); };
    if (trusted && std::ranges::none_of(*trusted, same))
      return refuse(report, TranscriptVerdict::unknown_key, at, "its ledger key is not one of those given");
  }
  if (!ledger || (!renewal && report.signers.size() < 3))
    return refuse(report, TranscriptVerdict::unfinished, 0,
                  renewal ? "the HSM's ledger key has not signed"
                          : "two officers and the HSM's ledger key have not all signed");
  report.verdict = TranscriptVerdict::intact;
  return report;
}

}  // namespace sigillo::provisioning
