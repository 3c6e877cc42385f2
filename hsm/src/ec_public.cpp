#include "ec_public.hpp"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>

namespace sigillo::hsm {
namespace {

constexpr base::Byte kP256[] = {0x06, 0x08, 0x2a, 0x86, 0x48,
                                0xce, 0x3d, 0x03, 0x01, 0x07};              // 1.2.840.10045.3.1.7
constexpr base::Byte kP384[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};  // 1.3.132.0.34

struct Free {
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
  void operator()(ECDSA_SIG* p) const { ECDSA_SIG_free(p); }
};

}  // namespace

std::size_t coordinate_bytes(KeyType type) {
  switch (type) {
    case KeyType::hmac_sha256:
      return 0;
    case KeyType::ec_p256:
      return 32;
    case KeyType::ec_p384:
      return 48;
  }
  return 0;
}

base::ByteView curve_oid(KeyType type) {
  switch (type) {
    case KeyType::hmac_sha256:
      return {};
    case KeyType::ec_p256:
      return kP256;
    case KeyType::ec_p384:
      return kP384;
  }
  return {};
}

base::Result<EvpKey> public_evp(KeyType type, base::ByteView point) {
  char p256[] = "P-256";
  char p384[] = "P-384";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, type == KeyType::ec_p384 ? p384 : p256, 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, const_cast<base::Byte*>(point.data()),
                                        point.size()),
      OSSL_PARAM_construct_end()};
  const std::unique_ptr<EVP_PKEY_CTX, Free> context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  if (point.size() != 2 * coordinate_bytes(type) + 1 || !context ||
      EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, const_cast<OSSL_PARAM*>(params)) != 1) {
    return base::Error(Errc::bad_attributes, "the public key is not a point of its curve");
  }
  return EvpKey(key);
}

bool verify(KeyType type, base::ByteView point, base::ByteView digest, base::ByteView signature) {
  const std::size_t size = coordinate_bytes(type);
  const auto key = public_evp(type, point);
  if (!key || digest.size() != size || signature.size() != 2 * size) return false;
  const base::Bytes der = signature_to_der(signature);
  const std::unique_ptr<EVP_PKEY_CTX, Free> context(EVP_PKEY_CTX_new(key->get(), nullptr));
  return context && EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_verify(context.get(), der.data(), der.size(), digest.data(), digest.size()) == 1;
}

base::Bytes signature_to_der(base::ByteView signature) {
  const int size = static_cast<int>(signature.size() / 2);
  const std::unique_ptr<ECDSA_SIG, Free> pair(ECDSA_SIG_new());
  ECDSA_SIG_set0(pair.get(), BN_bin2bn(signature.data(), size, nullptr),
                 BN_bin2bn(signature.data() + size, size, nullptr));
  base::Byte* der = nullptr;
  const int length = i2d_ECDSA_SIG(pair.get(), &der);
  base::Bytes out(der, der + std::max(length, 0));
  OPENSSL_free(der);
  return out;
}

std::optional<base::Bytes> signature_from_der(base::ByteView der, std::size_t coordinate) {
  const base::Byte* at = der.data();
  const std::unique_ptr<ECDSA_SIG, Free> pair(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  base::Bytes out(2 * coordinate);
  const int size = static_cast<int>(coordinate);
  if (!pair || BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), out.data(), size) != size ||
      BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), out.data() + size, size) != size) {
    return std::nullopt;
  }
  return out;
}

}  // namespace sigillo::hsm
