#include "transcript_lines.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;

constexpr std::string_view kHashMember = ",\"hash\":\"";
constexpr std::size_t kTail = kHashMember.size() + 64 + 2;  // with the quote and the brace

base::Digest chained(const base::Digest& previous, std::string_view body) {
  return base::sha256({base::view("sigillo/ceremony/v1"), previous, base::view(body)});
}

std::string close(const json::object& members, base::Digest& head) {
  std::string body = json::serialize(members);
  head = chained(head, body);
  body.pop_back();
  return body + std::string(kHashMember) + base::to_hex(head) + "\"}\n";
}

const json::string* text_in(const json::object& members, std::string_view name) {
  const auto* value = members.if_contains(name);
  return value == nullptr ? nullptr : value->if_string();
}

std::optional<TranscriptLine> line_of(const json::object& members, std::size_t number) {
  const auto* seq = members.if_contains("seq");
  const auto* facts = members.if_contains("facts");
  const auto *time = text_in(members, "time"), *step = text_in(members, "step"),
             *event = text_in(members, "event"), *said = text_in(members, "said");
  if (seq == nullptr || !seq->is_int64() || seq->get_int64() != static_cast<std::int64_t>(number) ||
      facts == nullptr || !facts->is_object() || time == nullptr || step == nullptr || event == nullptr ||
      said == nullptr)
    return std::nullopt;
  return TranscriptLine{std::string(*time), std::string(*step), std::string(*event), std::string(*said),
                        facts->get_object()};
}

std::optional<TranscriptSignature> signature_of(const json::object& members) {
  const auto *by = text_in(members, "signature_of"), *key = text_in(members, "key"),
             *signature = text_in(members, "signature");
  if (by == nullptr || key == nullptr || signature == nullptr) return std::nullopt;
  const auto raw = base::from_base64url(std::string_view(*signature));
  if (!raw) return std::nullopt;
  return TranscriptSignature{std::string(*by), std::string(*key), *raw};
}

// Takes one line without its newline; the sentence says what is wrong with it, and is empty where nothing is.
std::string take(TranscriptText& out, std::string_view line) {
  if (line.size() <= kTail || line.substr(line.size() - kTail, kHashMember.size()) != kHashMember ||
      !line.ends_with("\"}"))
    return "it does not end with a hash";
  const auto hash = base::from_hex(line.substr(line.size() - 66, 64));
  const std::string body = std::string(line.substr(0, line.size() - kTail)) + '}';
  const auto expected = chained(out.head, body);
  if (!hash || base::to_hex(expected) != line.substr(line.size() - 66, 64))
    return "its hash is not that of what stands here and before";
  json::error_code bad;
  const auto value = json::parse(body, bad);
  if (bad || !value.is_object()) return "it is not a JSON object";
  const auto number = out.lines.size() + out.signatures.size() + 1;
  if (auto signature = signature_of(value.get_object())) {
    // Nothing covers a signature's line but the signature itself: no byte of it may be free.
    base::Digest again = out.head;
    if (render(*signature, again) != std::string(line) + '\n') return "it is not written as a signature is";
    out.signatures.push_back(std::move(*signature));
    out.head = again;
    return {};
  }
  auto parsed = line_of(value.get_object(), number);
  if (!parsed) return "its members are not those of a transcript";
  if (!out.signatures.empty()) return "it stands after a signature";
  out.lines.push_back(std::move(*parsed));
  out.head = out.signed_head = expected;
  return {};
}

}  // namespace

std::string render(const TranscriptLine& line, std::size_t number, base::Digest& head) {
  return close({{"seq", static_cast<std::int64_t>(number)},
                {"time", line.time},
                {"step", line.step},
                {"event", line.event},
                {"said", line.said},
                {"facts", line.facts}},
               head);
}

std::string render(const TranscriptSignature& signature, base::Digest& head) {
  return close({{"signature_of", signature.by},
                {"key", signature.thumbprint},
                {"signature", base::to_base64url(signature.signature)}},
               head);
}

base::Digest signing_digest_of(const base::Digest& signed_head) {
  const base::ByteArray<1> zero{};
  return base::sha256({base::view("sigillo/transcript/v1"), zero, signed_head});
}

TranscriptText read_transcript(std::string_view text) {
  TranscriptText out;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const auto end = text.find('\n');
    out.torn = end == std::string_view::npos;
    out.fault = out.torn ? "it is cut short" : take(out, text.substr(0, end));
    if (!out.fault.empty()) {
      out.bad_line = number;
      // Torn is what a crash leaves: a last line without its end.
      return out;
    }
    out.good_bytes += end + 1;
    text.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace sigillo::provisioning
