// An EC key of the token as an OpenSSL EVP_PKEY whose private operation is Token::sign: what TLS and X.509
// signing take. OpenSSL never sees a private value. Thread rule: the key may be used from any thread; the
// Token outlives it.
#pragma once

#include <memory>

#include <openssl/types.h>

#include <hsm/token.hpp>

namespace sigillo::hsm {

struct EvpKeyFree {
  void operator()(EVP_PKEY* key) const;
};
using EvpKey = std::unique_ptr<EVP_PKEY, EvpKeyFree>;

base::Result<EvpKey> evp_key(Token& token, KeyRef key, KeyType type);

}  // namespace sigillo::hsm
