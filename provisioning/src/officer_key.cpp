#include <provisioning/officer_key.hpp>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include <algorithm>

#include <provisioning/command.hpp>

#include "files.hpp"

namespace sigillo::provisioning {
namespace {

constexpr std::size_t kCoordinate = 32;
constexpr std::size_t kKeyFileMax = 16 * 1024;

struct Free {
  void operator()(BIO* it) const { BIO_free(it); }
  void operator()(PKCS8_PRIV_KEY_INFO* it) const { PKCS8_PRIV_KEY_INFO_free(it); }
  void operator()(X509_SIG* it) const { X509_SIG_free(it); }
  void operator()(X509_ALGOR* it) const { X509_ALGOR_free(it); }
  void operator()(EVP_PKEY_CTX* it) const { EVP_PKEY_CTX_free(it); }
  void operator()(ECDSA_SIG* it) const { ECDSA_SIG_free(it); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

base::Error failed(const char* what) {
  return {Errc::officer_key, what, ERR_get_error()};
}

std::string text_of(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

base::Result<std::string> encrypted_pem(EVP_PKEY& key, const base::Secret& password, int iterations) {
  const Owned<PKCS8_PRIV_KEY_INFO> plain(EVP_PKEY2PKCS8(&key));
  X509_ALGOR* const scheme =
      PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), iterations, nullptr, 0, nullptr, NID_hmacWithSHA256);
  Owned<X509_ALGOR> owned_scheme(scheme);
  if (!plain || !owned_scheme) return failed("the key could not be encoded");
  const auto words = password.expose_text();
  const Owned<X509_SIG> sealed(
      PKCS8_set0_pbe(words.data(), static_cast<int>(words.size()), plain.get(), scheme));
  if (!sealed) return failed("the key could not be encrypted");
  (void)owned_scheme.release();  // the X509_SIG's now
  const Owned<BIO> memory(BIO_new(BIO_s_mem()));
  if (!memory || PEM_write_bio_PKCS8(memory.get(), sealed.get()) != 1)
    return failed("the key could not be written as PEM");
  return text_of(memory.get());
}

base::Result<std::string> public_pem(EVP_PKEY& key) {
  const Owned<BIO> memory(BIO_new(BIO_s_mem()));
  if (!memory || PEM_write_bio_PUBKEY(memory.get(), &key) != 1)
    return failed("the public key could not be written as PEM");
  return text_of(memory.get());
}

// OpenSSL asks for the password; there is no terminal behind this answer.
int give_password(char* out, int size, int, void* from) {
  const auto words = static_cast<const base::Secret*>(from)->expose_text();
  if (words.size() > static_cast<std::size_t>(size)) return -1;
  std::ranges::copy(words, out);
  return static_cast<int>(words.size());
}

base::Result<std::string> read_sealed_pem(const std::filesystem::path& file) {
  SIGILLO_TRY(auto pem, read_small_file(file, kKeyFileMax));
  // A key without a password is anybody's who finds the file: not taken.
  if (pem.find("-----BEGIN ENCRYPTED PRIVATE KEY-----") == std::string::npos)
    return base::Error(Errc::officer_key, "the file is no private key that is encrypted with a password");
  return pem;
}

}  // namespace

base::Result<void> write_officer_key(const std::filesystem::path& file, EVP_PKEY& key,
                                     const base::Secret& password, int iterations) {
  SIGILLO_TRY(const auto sealed, encrypted_pem(key, password, iterations));
  SIGILLO_TRY(const auto open, public_pem(key));
  SIGILLO_CHECK(write_new_file(file, base::view(sealed), 0600));
  return write_new_file(file.string() + ".pub", base::view(open), 0644);
}

base::Result<void> check_officer_key(const std::filesystem::path& file) {
  SIGILLO_TRY(const auto pem, read_sealed_pem(file));
  static_cast<void>(pem);
  return base::ok();
}

base::Result<PrivateKey> read_officer_key(const std::filesystem::path& file, const base::Secret& password) {
  SIGILLO_TRY(const auto pem, read_sealed_pem(file));
  const Owned<BIO> memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  PrivateKey key(
      PEM_read_bio_PrivateKey(memory.get(), nullptr, give_password, const_cast<base::Secret*>(&password)));
  if (!key) return failed("the password does not open the key, or the file is damaged");
  SIGILLO_CHECK(public_point(*key));
  return key;
}

base::Result<base::ByteArray<65>> read_officer_public_key(const std::filesystem::path& file) {
  SIGILLO_TRY(const auto pem, read_small_file(file, kKeyFileMax));
  const Owned<BIO> memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const PrivateKey key(PEM_read_bio_PUBKEY(memory.get(), nullptr, nullptr, nullptr));
  if (!key) return failed("the file is no public key (it ends in .pub, beside the key)");
  return public_point(*key);
}

base::Result<void> write_officer_public_key(const std::filesystem::path& file,
                                            const base::ByteArray<65>& point) {
  // SubjectPublicKeyInfo of a point on P-256 (RFC 5480): the same bytes before each.
  constexpr base::ByteArray<26> kBefore{0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                        0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
  base::Bytes der(kBefore.begin(), kBefore.end());
  base::append(der, point);
  const unsigned char* at = der.data();
  const PrivateKey key(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  if (!key) return failed("the public key is not on P-256");
  SIGILLO_TRY(const auto pem, public_pem(*key));
  return write_new_file(file, base::view(pem), 0644);
}

base::Result<base::ByteArray<65>> public_point(EVP_PKEY& key) {
  base::ByteArray<65> point{};
  std::size_t size = 0;
  char group[32] = {};
  if (EVP_PKEY_get_utf8_string_param(&key, "group", group, sizeof group, nullptr) != 1 ||
      std::string_view(group) != "prime256v1" ||
      EVP_PKEY_get_octet_string_param(&key, "encoded-pub-key", point.data(), point.size(), &size) != 1 ||
      size != point.size() || point[0] != 0x04) {
    return failed("the key is not on P-256");
  }
  return point;
}

base::Result<base::Bytes> sign_digest(EVP_PKEY& key, const base::Digest& digest) {
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(&key, nullptr));
  base::Bytes der(128);
  std::size_t size = der.size();
  if (!context || EVP_PKEY_sign_init(context.get()) != 1 ||
      EVP_PKEY_sign(context.get(), der.data(), &size, digest.data(), digest.size()) != 1) {
    return failed("the key did not sign");
  }
  const unsigned char* at = der.data();
  const Owned<ECDSA_SIG> signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
  base::Bytes out(2 * kCoordinate);
  if (!signature || BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out.data(), kCoordinate) < 0 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out.data() + kCoordinate, kCoordinate) < 0) {
    return failed("the key did not sign");
  }
  return out;
}

}  // namespace sigillo::provisioning
