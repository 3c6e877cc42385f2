#include "receipts.hpp"

#include <boost/json.hpp>

namespace sigillo::appliance {
namespace {

namespace json = boost::json;

std::string payload(const Context& context, const ReceiptClaims& claims) {
  std::string scope;
  for (const Scope one : claims.scopes) {
    if (!scope.empty()) scope += ' ';
    scope += name(one);
  }
  json::object body{{"iss", context.config.audit.issuer},
                    {"aud", claims.audience},
                    {"iat", claims.issued.ms / 1000},
                    {"jti", to_text(claims.jti)},
                    {"sub", base::to_base64url(claims.pseudonym)},
                    {"outcome", claims.outcome},
                    {"acr", name(claims.level)},
                    {"amr", json::array{name(claims.presented)}},
                    {"scope", scope},
                    {"ledger", {{"node", context.config.store.node}, {"seq", claims.seq}}}};
  if (claims.act) {
    body["act"] = {{"type", claims.act->type},
                   {"reference", claims.act->reference},
                   {"sha256", claims.act->sha256},
                   {"decision", name(claims.act->decision)},
                   {"effective_at", base::to_rfc3339(claims.act->effective)}};
  }
  return json::serialize(body);
}

}  // namespace

base::Task<base::Result<base::Digest>> pseudonym(const Context& context, const std::string& channel,
                                                 SubjectIndex subject) {
  auto message = base::Secret::concat(
      {base::view("sigillo/pseudonym/v1:"), base::view(channel), base::view("|"), subject});
  co_return co_await context.dispatcher.hmac(context.keys()->index, std::move(message));
}

base::Task<base::Result<std::string>> sign_receipt(const Context& context, ReceiptClaims claims) {
  const auto keys = context.keys();  // kid and key of one set, whatever is rotated meanwhile
  const json::object header{{"alg", "ES256"}, {"kid", keys->receipt_kid}, {"typ", "JWT"}};
  std::string signing_input = base::to_base64url(base::view(json::serialize(header)));
  signing_input += '.';
  signing_input += base::to_base64url(base::view(payload(context, claims)));
  const auto digest = base::sha256({base::view(signing_input)});
  auto signature = co_await context.dispatcher.sign(keys->receipt, digest);
  if (!signature) co_return signature.error();
  co_return signing_input + '.' + base::to_base64url(*signature);
}

std::string key_set(const Keys& keys) {
  std::string out = "{\"keys\":[";
  for (const auto& entry : keys.published) {
    if (out.back() == '}') out += ',';
    out += entry.key.to_jwk(entry.kid, "sig");
  }
  return out + "]}";
}

}  // namespace sigillo::appliance
