#include <appliance/act.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <base/ecdsa.hpp>

namespace sigillo::appliance {
namespace {

namespace json = boost::json;

constexpr std::string_view kSchema = "sigillo.act/1";
constexpr std::string_view kSignedSchema = "sigillo.signed-act/1";
constexpr std::string_view kDomain = "sigillo/act/v1";
constexpr std::size_t kNonceBytes = 16;
constexpr std::size_t kSignatureBytes = 64;
constexpr std::size_t kSignaturesMax = 8;

std::optional<std::string> text_member(const json::object& object, std::string_view name) {
  const auto* member = object.if_contains(name);
  if (member == nullptr || !member->is_string()) return std::nullopt;
  return std::string(member->get_string());
}

std::optional<base::Instant> time_member(const json::object& object, std::string_view name) {
  const auto text = text_member(object, name);
  return text ? base::parse_rfc3339(*text) : std::nullopt;
}

}  // namespace

std::string act_text(const Act& act) {
  return json::serialize(json::object{{"schema", kSchema},
                                      {"appliance", act.appliance},
                                      {"action", act.action},
                                      {"parameters", act.parameters},
                                      {"nonce", act.nonce},
                                      {"created_at", base::to_rfc3339(act.created)},
                                      {"expires_at", base::to_rfc3339(act.expires)}});
}

std::optional<Act> parse_act(std::string_view text) {
  if (text.size() > kActTextMax) return std::nullopt;
  boost::system::error_code error;
  const json::value parsed = json::parse(text, error);
  if (error || !parsed.is_object()) return std::nullopt;
  const auto& object = parsed.get_object();
  const auto* parameters = object.if_contains("parameters");
  auto appliance = text_member(object, "appliance");
  auto action = text_member(object, "action");
  auto nonce = text_member(object, "nonce");
  const auto created = time_member(object, "created_at");
  const auto expires = time_member(object, "expires_at");
  if (!appliance || !action || !nonce || !created || !expires || parameters == nullptr ||
      !parameters->is_object()) {
    return std::nullopt;
  }
  const auto nonce_bytes = base::from_base64url(*nonce);
  if (!nonce_bytes || nonce_bytes->size() != kNonceBytes) return std::nullopt;
  Act act{std::move(*appliance), std::move(*action), parameters->get_object(),
          std::move(*nonce),     *created,           *expires};
  // Attack: (1) write a member twice, or a number two ways, (2) show an officer one reading, (3) have the
  // other carried out. Only the one text that these values have is an act.
  if (act_text(act) != text) return std::nullopt;
  return act;
}

std::string random_nonce() {
  base::ByteArray<kNonceBytes> random{};
  base::random_bytes(random);
  return base::to_base64url(random);
}

base::Digest act_digest(std::string_view text) {
  constexpr base::ByteArray<1> kEnd{0};
  return base::sha256({base::view(kDomain), kEnd, base::view(text)});
}

json::object to_json(const SignedAct& act) {
  json::array signatures;
  for (const auto& one : act.signatures)
    signatures.push_back(
        json::object{{"officer", one.officer}, {"signature", base::to_base64url(one.signature)}});
  return {{"schema", kSignedSchema}, {"act", act.text}, {"signatures", std::move(signatures)}};
}

std::optional<SignedAct> parse_signed_act(const json::value& value) {
  if (!value.is_object()) return std::nullopt;
  const auto& object = value.get_object();
  const auto schema = text_member(object, "schema");
  auto text = text_member(object, "act");
  const auto* signatures = object.if_contains("signatures");
  if (schema != kSignedSchema || !text || signatures == nullptr || !signatures->is_array() ||
      object.size() != 3 || signatures->get_array().size() > kSignaturesMax) {
    return std::nullopt;
  }
  SignedAct out{std::move(*text), {}};
  for (const auto& one : signatures->get_array()) {
    if (!one.is_object() || one.get_object().size() != 2) return std::nullopt;
    auto officer = text_member(one.get_object(), "officer");
    const auto encoded = text_member(one.get_object(), "signature");
    if (!officer || !encoded) return std::nullopt;
    auto signature = base::from_base64url(*encoded);
    if (!signature || signature->size() != kSignatureBytes) return std::nullopt;
    out.signatures.push_back({std::move(*officer), std::move(*signature)});
  }
  return out;
}

bool act_signature_holds(std::string_view text, const base::EcPublicKey& key, base::ByteView signature) {
  return signature.size() == kSignatureBytes &&
         base::ecdsa_verify(key, act_digest(text), base::ecdsa_der(signature));
}

}  // namespace sigillo::appliance
