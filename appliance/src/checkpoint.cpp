#include <appliance/checkpoint.hpp>

#include <algorithm>
#include <charconv>

#include <base/ecdsa.hpp>

namespace sigillo::appliance {
namespace {

base::Bytes spki(const base::EcPublicKey& key) {
  // SubjectPublicKeyInfo of id-ecPublicKey with prime256v1 (RFC 5480), up to the point.
  static const base::Bytes prefix = *base::from_hex("3059301306072a8648ce3d020106082a8648ce3d030107034200");
  base::Bytes out = prefix;
  base::append(out, key.point());
  return out;
}

std::vector<std::string_view> lines_of(std::string_view body) {
  std::vector<std::string_view> lines;
  for (std::size_t at = 0; at < body.size();) {
    const auto end = body.find('\n', at);
    lines.push_back(body.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::optional<std::uint64_t> number(std::string_view digits) {
  std::uint64_t out = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  if (error != std::errc() || stop != digits.data() + digits.size()) return std::nullopt;
  return out;
}

std::optional<std::string_view> after(std::string_view line, std::string_view prefix) {
  if (!line.starts_with(prefix)) return std::nullopt;
  return line.substr(prefix.size());
}

std::optional<CheckpointBody> parse_body(std::string_view body) {
  const auto lines = lines_of(body);
  if (lines.size() != 4 && lines.size() != 5) return std::nullopt;
  const auto seq = number(lines[1]);
  const auto hash = base::from_base64(lines[2]);
  const auto time = after(lines[3], "time ");
  CheckpointBody out;
  if (!seq || !hash || hash->size() != out.hash.size() || !time) return std::nullopt;
  out.origin = lines[0];
  out.seq = *seq;
  std::copy(hash->begin(), hash->end(), out.hash.begin());
  out.time = *time;
  if (lines.size() == 5) {
    const auto first = after(lines[4], "segment ");
    out.segment_from = first ? number(*first) : std::nullopt;
    if (!out.segment_from) return std::nullopt;
  }
  return out;
}

}  // namespace

std::string origin_of(const std::string& issuer, std::uint32_t node) {
  return issuer + "/ledger/" + std::to_string(node);
}

std::string checkpoint_text(const std::string& issuer, const sealed_store::Head& head,
                            std::optional<std::uint64_t> segment_from) {
  std::string text = origin_of(issuer, head.node) + "\n" + std::to_string(head.seq) + "\n" +
                     base::to_base64(head.hash) + "\ntime " + base::to_rfc3339(head.time) + "\n";
  if (segment_from) text += "segment " + std::to_string(*segment_from) + "\n";
  return text;
}

std::string signed_note(const std::string& body, const base::EcPublicKey& key, base::ByteView raw) {
  const auto id = base::sha256({spki(key)});
  base::Bytes signature(id.begin(), id.begin() + 4);
  base::append(signature, base::ecdsa_der(raw));
  const std::string origin = body.substr(0, body.find('\n'));
  return body + "\n\u2014 " + origin + " " + base::to_base64(signature) + "\n";
}

NoteCheck check_note(std::string_view note, const std::vector<base::EcPublicKey>& keys) {
  NoteCheck check;
  const auto blank = note.find("\n\n");
  if (blank == std::string_view::npos) return check;
  const auto text = note.substr(0, blank + 1);
  auto body = parse_body(text);
  if (!body) return check;
  const std::string mark = "— " + body->origin + " ";
  auto line = note.substr(blank + 2);
  if (!line.starts_with(mark) || !line.ends_with('\n')) return check;
  line = line.substr(mark.size(), line.size() - mark.size() - 1);
  const auto signature = base::from_base64(line);
  if (!signature || signature->size() < 5) return check;
  check.body = std::move(body);
  const auto digest = base::sha256({base::view(text)});
  for (const auto& key : keys) {
    const auto id = base::sha256({spki(key)});
    const bool named = std::equal(id.begin(), id.begin() + 4, signature->begin());
    const bool signs = base::ecdsa_verify(key, digest, base::ByteView(*signature).subspan(4));
    // A key id that was edited is an alteration: the key behind it is known all the same.
    check.known = check.known || named || signs;
    check.holds = check.holds || (named && signs);
  }
  return check;
}

}  // namespace sigillo::appliance
