#include <base/ecdsa.hpp>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <memory>

namespace sigillo::base {
namespace {

constexpr std::size_t kCoordinate = 32;

struct Free {
  void operator()(ECDSA_SIG* p) const { ECDSA_SIG_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
};

}  // namespace

Bytes ecdsa_der(ByteView raw) {
  if (raw.size() != 2 * kCoordinate) return {};
  const std::unique_ptr<ECDSA_SIG, Free> signature(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(raw.data(), kCoordinate, nullptr);
  BIGNUM* s = BN_bin2bn(raw.data() + kCoordinate, kCoordinate, nullptr);
  if (!signature || ECDSA_SIG_set0(signature.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return {};
  }
  Bytes out(static_cast<std::size_t>(i2d_ECDSA_SIG(signature.get(), nullptr)));
  Byte* at = out.data();
  i2d_ECDSA_SIG(signature.get(), &at);
  return out;
}

bool ecdsa_verify(const EcPublicKey& key, const Digest& digest, ByteView der) {
  const std::unique_ptr<EVP_PKEY_CTX, Free> maker(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  char group[] = "prime256v1";
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, const_cast<Byte*>(key.point().data()),
                                        key.point().size()),
      OSSL_PARAM_construct_end()};
  EVP_PKEY* made = nullptr;
  if (!maker || EVP_PKEY_fromdata_init(maker.get()) != 1 ||
      EVP_PKEY_fromdata(maker.get(), &made, EVP_PKEY_PUBLIC_KEY, params) != 1) {
    return false;
  }
  const std::unique_ptr<EVP_PKEY, Free> owned(made);
  const std::unique_ptr<EVP_PKEY_CTX, Free> context(EVP_PKEY_CTX_new_from_pkey(nullptr, made, nullptr));
  return context && EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_verify(context.get(), der.data(), der.size(), digest.data(), digest.size()) == 1;
}

}  // namespace sigillo::base
