#include <base/crypto.hpp>
#include <base/hmac_key.hpp>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

namespace sigillo::base {
namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;

void must(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "sigillo: OpenSSL failed at %s\n", what);
  std::abort();
}

struct Free {
  void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
  void operator()(EVP_MAC* p) const { EVP_MAC_free(p); }
  void operator()(EVP_MAC_CTX* p) const { EVP_MAC_CTX_free(p); }
  void operator()(EVP_KDF* p) const { EVP_KDF_free(p); }
  void operator()(EVP_KDF_CTX* p) const { EVP_KDF_CTX_free(p); }
  void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
  void operator()(EVP_CIPHER* p) const { EVP_CIPHER_free(p); }
  void operator()(EVP_MD* p) const { EVP_MD_free(p); }
};
template <class T>
using Own = std::unique_ptr<T, Free>;

// Fetched once: OpenSSL 3.0 takes locks at every implicit fetch.
const EVP_MD* md() {
  static const Own<EVP_MD> instance(EVP_MD_fetch(nullptr, "SHA256", nullptr));
  return instance.get();
}
EVP_MAC* mac() {
  static const Own<EVP_MAC> instance(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  return instance.get();
}
const EVP_CIPHER* gcm() {
  static const Own<EVP_CIPHER> instance(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
  return instance.get();
}

}  // namespace

Digest sha256(std::initializer_list<ByteView> parts) {
  const Own<EVP_MD_CTX> context(EVP_MD_CTX_new());
  must(context && EVP_DigestInit_ex(context.get(), md(), nullptr) == 1, "SHA-256");
  for (const auto part : parts)
    must(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1, "SHA-256");
  Digest out;
  must(EVP_DigestFinal_ex(context.get(), out.data(), nullptr) == 1, "SHA-256");
  return out;
}

namespace {

Own<EVP_MAC_CTX> keyed(const Secret& key) {
  Own<EVP_MAC_CTX> context(EVP_MAC_CTX_new(mac()));
  char name[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                               OSSL_PARAM_construct_end()};
  must(context && EVP_MAC_init(context.get(), key.expose().data(), key.size(), params) == 1, "HMAC");
  return context;
}

Digest finish(EVP_MAC_CTX* context, std::initializer_list<ByteView> parts) {
  for (const auto part : parts) must(EVP_MAC_update(context, part.data(), part.size()) == 1, "HMAC");
  Digest out;
  std::size_t size = 0;
  must(EVP_MAC_final(context, out.data(), &size, out.size()) == 1 && size == out.size(), "HMAC");
  return out;
}

}  // namespace

Digest hmac_sha256(const Secret& key, std::initializer_list<ByteView> parts) {
  return finish(keyed(key).get(), parts);
}

struct HmacKey::Context {
  Own<EVP_MAC_CTX> mac;
};

HmacKey::HmacKey(Secret key) : key_(std::move(key)) {}
HmacKey::~HmacKey() = default;

std::unique_ptr<HmacKey::Context> HmacKey::take() const {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto context = std::move(idle_.back());
      idle_.pop_back();
      return context;
    }
  }
  return std::make_unique<Context>(Context{keyed(key_)});
}

Digest HmacKey::operator()(std::initializer_list<ByteView> parts) const {
  auto context = take();
  must(EVP_MAC_init(context->mac.get(), nullptr, 0, nullptr) == 1, "HMAC");  // the same key once more
  const Digest out = finish(context->mac.get(), parts);
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(context));
  return out;
}

Secret hkdf_sha256(ByteView key, ByteView salt, ByteView info, std::size_t size) {
  const Own<EVP_KDF> kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const Own<EVP_KDF_CTX> context(EVP_KDF_CTX_new(kdf.get()));
  char name[] = "SHA256";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<Byte*>(key.data()), key.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, const_cast<Byte*>(salt.data()), salt.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, const_cast<Byte*>(info.data()), info.size()),
      OSSL_PARAM_construct_end()};
  Secret out(size);
  must(context && EVP_KDF_derive(context.get(), out.writable().data(), size, params) == 1, "HKDF");
  return out;
}

Secret pbkdf2_sha256(const Secret& password, ByteView salt, unsigned iterations, std::size_t size) {
  Secret out(size);
  must(PKCS5_PBKDF2_HMAC(password.expose_text().data(), static_cast<int>(password.size()), salt.data(),
                         static_cast<int>(salt.size()), static_cast<int>(iterations), md(),
                         static_cast<int>(size), out.writable().data()) == 1,
       "PBKDF2");
  return out;
}

Bytes aead_seal(const Secret& key, ByteView associated_data, ByteView plaintext) {
  must(key.size() == 32, "AES-256-GCM key");
  Bytes out(kNonceBytes + plaintext.size() + kTagBytes);
  random_bytes({out.data(), kNonceBytes});
  const Own<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
  int size = 0;
  must(context && EVP_EncryptInit_ex2(context.get(), gcm(), key.expose().data(), out.data(), nullptr) == 1 &&
           EVP_EncryptUpdate(context.get(), nullptr, &size, associated_data.data(),
                             static_cast<int>(associated_data.size())) == 1 &&
           EVP_EncryptUpdate(context.get(), out.data() + kNonceBytes, &size, plaintext.data(),
                             static_cast<int>(plaintext.size())) == 1 &&
           EVP_EncryptFinal_ex(context.get(), out.data() + kNonceBytes + size, &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes,
                               out.data() + kNonceBytes + plaintext.size()) == 1,
       "AES-256-GCM");
  return out;
}

std::optional<Secret> aead_open(const Secret& key, ByteView associated_data, ByteView sealed) {
  must(key.size() == 32, "AES-256-GCM key");
  if (sealed.size() < kNonceBytes + kTagBytes) return std::nullopt;
  const ByteView body = sealed.subspan(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  Secret out(body.size());
  Byte none = 0;
  Byte* target = body.empty() ? &none : out.writable().data();
  const Own<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
  int size = 0;
  must(context &&
           EVP_DecryptInit_ex2(context.get(), gcm(), key.expose().data(), sealed.data(), nullptr) == 1 &&
           EVP_DecryptUpdate(context.get(), nullptr, &size, associated_data.data(),
                             static_cast<int>(associated_data.size())) == 1 &&
           EVP_DecryptUpdate(context.get(), target, &size, body.data(), static_cast<int>(body.size())) == 1 &&
           EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes,
                               const_cast<Byte*>(sealed.data() + sealed.size() - kTagBytes)) == 1,
       "AES-256-GCM");
  if (EVP_DecryptFinal_ex(context.get(), target + size, &size) != 1) return std::nullopt;
  return out;
}

void random_bytes(std::span<Byte> out) {
  must(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1, "RAND_bytes");
}

}  // namespace sigillo::base
