// By an EC_KEY_METHOD, deprecated in OpenSSL 3.0 and present in all of 3.x. A provider of our own would be
// the modern way, at ten times the code (key management, signature, store and encoder tables);
// pkcs11-provider would share our module and finalize it. A key with a method that is not OpenSSL's keeps the
// EVP layer on its legacy path, which TLS 1.3 and X509_sign take without asking for the private value.
#include <hsm/evp_key.hpp>

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "ec_public.hpp"

namespace sigillo::hsm {
namespace {

struct TokenKey {
  std::shared_ptr<const KeyDoor> door;
  KeyType type;
};

struct Free {
  void operator()(EC_KEY* p) const { EC_KEY_free(p); }
};

void free_token_key(void*, void* data, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<TokenKey*>(data);
}
// EC_KEY_dup would leave two owners of one TokenKey.
int dup_token_key(CRYPTO_EX_DATA*, const CRYPTO_EX_DATA*, void** data, int, long, void*) {
  if (*data != nullptr) *data = new TokenKey(*static_cast<TokenKey*>(*data));
  return 1;
}
int index_of_token_key() {
  static const int index = EC_KEY_get_ex_new_index(0, nullptr, nullptr, dup_token_key, free_token_key);
  return index;
}

// FIPS 186-5, 6.4.1: the leftmost bits of a longer digest; a shorter one is the same number with zeros before
// it.
base::Bytes fitted(base::ByteView digest, std::size_t size) {
  base::Bytes out(size);
  const std::size_t take = std::min(size, digest.size());
  std::copy_n(digest.begin(), take, out.end() - static_cast<std::ptrdiff_t>(take));
  return out;
}

base::Result<base::Bytes> sign_digest(const EC_KEY* key, base::ByteView digest) {
  const auto* ours = static_cast<const TokenKey*>(EC_KEY_get_ex_data(key, index_of_token_key()));
  if (ours == nullptr) return base::Error(Errc::caller_fault, "an EC_KEY that is not of a token");
  return ours->door->sign(fitted(digest, coordinate_bytes(ours->type)));
}

int failed() {
  ERR_raise_data(ERR_LIB_EC, ERR_R_OPERATION_FAIL, "the token did not sign");
  return 0;
}

int method_sign(int, const unsigned char* digest, int size, unsigned char* out, unsigned int* out_size,
                const BIGNUM*, const BIGNUM*, EC_KEY* key) {
  const auto signature = sign_digest(key, {digest, static_cast<std::size_t>(size)});
  if (!signature) return failed();
  const base::Bytes der = signature_to_der(*signature);
  std::ranges::copy(der, out);
  *out_size = static_cast<unsigned int>(der.size());
  return 1;
}

ECDSA_SIG* method_sign_sig(const unsigned char* digest, int size, const BIGNUM*, const BIGNUM*, EC_KEY* key) {
  const auto signature = sign_digest(key, {digest, static_cast<std::size_t>(size)});
  if (!signature) {
    failed();
    return nullptr;
  }
  const base::Bytes der = signature_to_der(*signature);
  const unsigned char* at = der.data();
  return d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
}

const EC_KEY_METHOD* method() {
  static EC_KEY_METHOD* const instance = [] {
    EC_KEY_METHOD* made = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    EC_KEY_METHOD_set_sign(made, method_sign, nullptr, method_sign_sig);
    return made;
  }();
  return instance;
}

base::Error broken() {
  return {Errc::caller_fault, "OpenSSL does not take the key"};
}

}  // namespace

void EvpKeyFree::operator()(EVP_PKEY* key) const {
  EVP_PKEY_free(key);
}

base::Result<base::Bytes> KeyDoor::sign(base::ByteView digest) const {
  const std::shared_lock lock(mutex_);
  if (token_ == nullptr) return base::Error(Errc::credential, "the token was closed");
  return token_->sign(key_, digest);
}

base::Result<base::Bytes> KeyDoor::public_key() const {
  const std::shared_lock lock(mutex_);
  if (token_ == nullptr) return base::Error(Errc::credential, "the token was closed");
  return token_->public_key(key_);
}

void KeyDoor::shut() {
  const std::unique_lock lock(mutex_);
  token_ = nullptr;
}

base::Result<EvpKey> evp_key(Token& token, KeyRef key, KeyType type) {
  return evp_key(std::make_shared<const KeyDoor>(token, key), type);
}

base::Result<EvpKey> evp_key(std::shared_ptr<const KeyDoor> door, KeyType type) {
  if (coordinate_bytes(type) == 0) return base::Error(Errc::caller_fault, "a MAC key is no EVP_PKEY");
  SIGILLO_TRY(const base::Bytes point, door->public_key());
  SIGILLO_CHECK(public_evp(type, point));
  const int curve = type == KeyType::ec_p384 ? NID_secp384r1 : NID_X9_62_prime256v1;
  const std::unique_ptr<EC_KEY, Free> ec(EC_KEY_new_by_curve_name(curve));
  if (!ec || EC_KEY_set_method(ec.get(), method()) != 1 ||
      EC_KEY_oct2key(ec.get(), point.data(), point.size(), nullptr) != 1) {
    return broken();
  }
  auto owned = std::make_unique<TokenKey>(TokenKey{std::move(door), type});
  if (EC_KEY_set_ex_data(ec.get(), index_of_token_key(), owned.get()) != 1) return broken();
  (void)owned.release();  // the EC_KEY's now: free_token_key
  EvpKey out(EVP_PKEY_new());
  if (!out || EVP_PKEY_set1_EC_KEY(out.get(), ec.get()) != 1) return broken();
  return out;
}

}  // namespace sigillo::hsm
