// Receipts: a decision that a relying service can check offline. JWS compact serialisation (RFC 7515), ES256
// by the HSM's receipt key, `kid` as in GET /v1/keys. The subject is a pairwise pseudonym: another in each
// channel, and never the codice fiscale. Thread rule: any thread.
#pragma once

#include "context.hpp"

namespace sigillo::appliance {

struct ReceiptClaims {
  std::string audience;  // the channel's URN
  base::Digest pseudonym{};
  Id jti{};
  base::Instant issued{};
  std::string outcome = "verified";
  Level level = Level::ordinary;
  Presented presented = Presented::definitive;
  std::vector<Scope> scopes;
  std::uint64_t seq = 0;  // of the attempt's charge in the ledger
  struct Act {
    std::string type, reference, sha256;
    AuthorizationState decision;
    base::Instant effective;
  };
  std::optional<Act> act;
};

base::Task<base::Result<base::Digest>> pseudonym(const Context& context, const std::string& channel,
                                                 SubjectIndex subject);
base::Task<base::Result<std::string>> sign_receipt(const Context& context, ReceiptClaims claims);
std::string key_set(const Keys& keys);  // RFC 7517 JWK set

}  // namespace sigillo::appliance
