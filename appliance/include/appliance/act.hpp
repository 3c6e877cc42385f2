// Act: what officers sign: one JSON text that names the appliance, an action with its parameters, a nonce and
// an end. The exact bytes are signed, ES256 over a digest with a domain of its own, so that no act is another
// thing's signature and no act reads two ways: a text that is not byte for byte what act_text() writes is
// none. SignedAct is how it travels: a file between officers, a member of a request. Thread rule: values and
// pure functions. Never: decides who is an officer (officers.hpp does).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include <base/clock.hpp>
#include <base/crypto.hpp>
#include <base/jwe.hpp>

namespace sigillo::appliance {

struct Act {
  std::string appliance;  // the id that `sigillo status` shows: an act for another appliance is refused
  std::string action;     // "keys.rotate"
  boost::json::object parameters;
  std::string nonce;  // 22 base64url characters; good once
  base::Instant created;
  base::Instant expires;
};

inline constexpr std::size_t kActTextMax = 64 * 1024;
inline constexpr base::Duration kActLife = base::days(7);  // between created_at and expires_at at most

std::string act_text(const Act& act);
std::optional<Act> parse_act(std::string_view text);
std::string random_nonce();
// SHA-256("sigillo/act/v1" || 0x00 || text)
base::Digest act_digest(std::string_view text);

struct ActSignature {
  std::string officer;
  base::Bytes signature;  // r || s, 64 bytes
};
struct SignedAct {
  std::string text;
  std::vector<ActSignature> signatures;
};
// {"schema":"sigillo.signed-act/1","act":"<text>","signatures":[{"officer":"anna","signature":"<base64url>"}]}
boost::json::object to_json(const SignedAct& act);
std::optional<SignedAct> parse_signed_act(const boost::json::value& json);

bool act_signature_holds(std::string_view text, const base::EcPublicKey& key, base::ByteView signature);

}  // namespace sigillo::appliance
