// JWE compact serialisation (RFC 7516) in the one form the product uses: alg ECDH-ES on P-256 (RFC 7518
// section 4.6, direct key agreement), enc A256GCM, `kid` of the recipient's key; and the JWKs for it (RFC
// 7517). Sealing is the appliance's, opening is a channel's; both are here so that the form is said once.
// Crypto is OpenSSL's EVP. Thread rule: values and pure functions.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <openssl/types.h>

#include <base/bytes.hpp>
#include <base/secret.hpp>

namespace sigillo::base {

class EcPublicKey {
 public:
  // A JWK object: kty EC, crv P-256, x, y of 32 bytes on the curve; `kid` optional. Refused: `d` present,
  // other curves, a point off the curve. Other members are ignored.
  static std::optional<EcPublicKey> from_jwk(std::string_view json);
  static std::optional<EcPublicKey> from_point(ByteView sec1_uncompressed);

  const std::string& kid() const { return kid_; }  // empty where the JWK had none
  const ByteArray<65>& point() const { return point_; }
  // Canonical: crv, kid?, kty, x, y (RFC 7638's order), without white space; `use` where given ("sig",
  // "enc").
  std::string to_jwk(std::string_view kid, std::string_view use = {}) const;
  std::string thumbprint() const;  // RFC 7638, SHA-256, base64url

 private:
  std::string kid_;
  ByteArray<65> point_{};
};

class EcPrivateKey {
 public:
  static EcPrivateKey generate();
  static std::optional<EcPrivateKey> from_jwk(const Secret& json);
  EcPublicKey public_key() const;
  Secret to_jwk(std::string_view kid) const;  // with `d`
  EVP_PKEY* get() const { return key_.get(); }

 private:
  explicit EcPrivateKey(std::shared_ptr<EVP_PKEY> key) : key_(std::move(key)) {}
  std::shared_ptr<EVP_PKEY> key_;
};

// `kid` goes into the protected header; the ephemeral key is made anew for each.
std::string seal_jwe(const EcPublicKey& recipient, std::string_view kid, const Secret& plaintext);
// Nothing where it is not of this form, not for this key, or altered.
std::optional<Secret> open_jwe(const EcPrivateKey& key, std::string_view compact);
std::optional<std::string> jwe_kid(std::string_view compact);

}  // namespace sigillo::base
