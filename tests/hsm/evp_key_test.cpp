// Keys of a token under OpenSSL: X.509 and TLS 1.3, on SoftHSM2 and on the fake.
#include <hsm/evp_key.hpp>

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <hsm/fake_token.hpp>
#include <support/softhsm_fixture.hpp>

#include "contract.hpp"

namespace sigillo::hsm {
namespace {

template <auto free>
struct Free {
  template <class T>
  void operator()(T* p) const {
    free(p);
  }
};
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using Connection = std::unique_ptr<SSL, Free<SSL_free>>;

Certificate self_signed(EVP_PKEY* key, const EVP_MD* digest) {
  Certificate made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_NAME* name = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"),
                             -1, -1, 0);
  X509_set_issuer_name(made.get(), name);
  X509_set_pubkey(made.get(), key);
  return X509_sign(made.get(), key, digest) > 0 ? std::move(made) : nullptr;
}

// Both ends in this thread, over a pair of memory BIOs.
bool handshake(EVP_PKEY* key, X509* certificate) {
  const Context server_context(SSL_CTX_new(TLS_server_method()));
  const Context client_context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(server_context.get(), TLS1_3_VERSION);
  if (SSL_CTX_use_certificate(server_context.get(), certificate) != 1 ||
      SSL_CTX_use_PrivateKey(server_context.get(), key) != 1 ||
      SSL_CTX_check_private_key(server_context.get()) != 1) {
    return false;
  }
  X509_STORE_add_cert(SSL_CTX_get_cert_store(client_context.get()), certificate);
  SSL_CTX_set_verify(client_context.get(), SSL_VERIFY_PEER, nullptr);
  const Connection server(SSL_new(server_context.get()));
  const Connection client(SSL_new(client_context.get()));
  BIO* near_end = nullptr;
  BIO* far_end = nullptr;
  BIO_new_bio_pair(&near_end, 0, &far_end, 0);
  SSL_set_bio(server.get(), near_end, near_end);
  SSL_set_bio(client.get(), far_end, far_end);
  int client_done = 0;
  int server_done = 0;
  for (int round = 0; round < 20 && (client_done != 1 || server_done != 1); ++round) {
    client_done = SSL_connect(client.get());
    server_done = SSL_accept(server.get());
  }
  return client_done == 1 && server_done == 1 && SSL_version(client.get()) == TLS1_3_VERSION &&
         SSL_get_verify_result(client.get()) == X509_V_OK;
}

class EvpKeyTest : public ::testing::TestWithParam<bool> {
 protected:
  Token& token() { return GetParam() ? static_cast<Token&>(testing::softhsm_token()) : fake_; }
  FakeToken fake_;
};
INSTANTIATE_TEST_SUITE_P(Tokens, EvpKeyTest, ::testing::Bool(),
                         [](const auto& p) { return p.param ? "SoftHsm" : "Fake"; });

TEST_P(EvpKeyTest, CertificatesSignedInTheTokenVerify) {
  for (const auto& [type, digest] : {std::pair{KeyType::ec_p256, EVP_sha256()},
                                     {KeyType::ec_p384, EVP_sha384()},
                                     {KeyType::ec_p384, EVP_sha256()},
                                     {KeyType::ec_p256, EVP_sha384()}}) {
    const auto ref = token().generate_key({test::fresh_label()}, type);
    ASSERT_TRUE(ref);
    const auto key = evp_key(token(), *ref, type);
    ASSERT_TRUE(key);
    const auto certificate = self_signed(key->get(), digest);
    ASSERT_TRUE(certificate);
    const std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>> other(
        EVP_EC_gen(type == KeyType::ec_p256 ? "P-256" : "P-384"));
    EXPECT_EQ(X509_verify(certificate.get(), X509_get0_pubkey(certificate.get())), 1);
    EXPECT_NE(X509_verify(certificate.get(), other.get()), 1);
  }
}

TEST_P(EvpKeyTest, ATls13ServerShakesHandsWithIt) {
  for (const auto& [type, digest] :
       {std::pair{KeyType::ec_p256, EVP_sha256()}, std::pair{KeyType::ec_p384, EVP_sha384()}}) {
    const auto ref = token().generate_key({test::fresh_label()}, type);
    ASSERT_TRUE(ref);
    const auto key = evp_key(token(), *ref, type);
    ASSERT_TRUE(key);
    const auto certificate = self_signed(key->get(), digest);
    ASSERT_TRUE(certificate);
    EXPECT_TRUE(handshake(key->get(), certificate.get()));
  }
}

TEST(EvpKey, ATokenThatFailsFailsTheHandshakeAndNothingElse) {
  FakeToken token;
  const auto ref = token.generate_key({"sigillo.tls"}, KeyType::ec_p256);
  const auto key = evp_key(token, *ref, KeyType::ec_p256);
  ASSERT_TRUE(key);
  const auto certificate = self_signed(key->get(), EVP_sha256());
  ASSERT_TRUE(certificate);
  token.fail(FakeToken::Call::sign, 1, Errc::unavailable);
  EXPECT_FALSE(handshake(key->get(), certificate.get()));
  EXPECT_TRUE(handshake(key->get(), certificate.get()));
}

TEST(EvpKey, AMacKeyOrATokenThatDoesNotAnswerGivesNone) {
  FakeToken token;
  const auto mac = token.generate_key({"sigillo.mac"}, KeyType::hmac_sha256);
  test::expect_errc(evp_key(token, *mac, KeyType::hmac_sha256), Errc::caller_fault);
  const auto pair = token.generate_key({"sigillo.pair"}, KeyType::ec_p256);
  test::expect_errc(evp_key(token, *pair, KeyType::ec_p384), Errc::bad_attributes);
  token.fail_all(Errc::unavailable);
  test::expect_errc(evp_key(token, *pair, KeyType::ec_p256), Errc::unavailable);
}

}  // namespace
}  // namespace sigillo::hsm
