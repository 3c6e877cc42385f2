// An EC key of the token as an OpenSSL EVP_PKEY whose private operation is Token::sign: what TLS and X.509
// signing take. OpenSSL never sees a private value. An EVP_PKEY lives for as long as a connection does; where
// its token may go before (an appliance that is sealed), a KeyDoor stands between and is shut. Thread rule:
// key and door may be used from any thread; the Token outlives the key, or the door's being open.
#pragma once

#include <memory>
#include <shared_mutex>

#include <openssl/types.h>

#include <hsm/token.hpp>

namespace sigillo::hsm {

struct EvpKeyFree {
  void operator()(EVP_PKEY* key) const;
};
using EvpKey = std::unique_ptr<EVP_PKEY, EvpKeyFree>;

class KeyDoor {
 public:
  KeyDoor(Token& token, KeyRef key) : token_(&token), key_(key) {}
  base::Result<base::Bytes> sign(base::ByteView digest) const;  // Errc::credential once it is shut
  base::Result<base::Bytes> public_key() const;
  // On return nobody is inside, and nobody comes in any more.
  void shut();

 private:
  mutable std::shared_mutex mutex_;
  Token* token_;
  KeyRef key_;
};

base::Result<EvpKey> evp_key(Token& token, KeyRef key, KeyType type);
base::Result<EvpKey> evp_key(std::shared_ptr<const KeyDoor> door, KeyType type);

}  // namespace sigillo::hsm
