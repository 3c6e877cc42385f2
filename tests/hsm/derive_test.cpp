// SP 800-108r1 counter mode against OpenSSL's own KBKDF.
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <memory>

#include <hsm/fake_token.hpp>

namespace sigillo::hsm {
namespace {

base::Bytes kbkdf(base::ByteView key, std::string_view label, base::ByteView context, std::size_t size) {
  const std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> kdf(EVP_KDF_fetch(nullptr, "KBKDF", nullptr),
                                                              EVP_KDF_free);
  const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> run(EVP_KDF_CTX_new(kdf.get()),
                                                                      EVP_KDF_CTX_free);
  char digest[] = "SHA256", mac[] = "HMAC", mode[] = "COUNTER";
  const auto octets = [](const char* name, base::ByteView v) {
    return OSSL_PARAM_construct_octet_string(name, const_cast<base::Byte*>(v.data()), v.size());
  };
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MAC, mac, 0),
                               OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MODE, mode, 0),
                               octets(OSSL_KDF_PARAM_KEY, key),
                               octets(OSSL_KDF_PARAM_SALT, base::view(label)),
                               octets(OSSL_KDF_PARAM_INFO, context),
                               OSSL_PARAM_construct_end()};
  base::Bytes out(size);
  EXPECT_EQ(EVP_KDF_derive(run.get(), out.data(), out.size(), params), 1);
  return out;
}

TEST(Derive, AgreesWithOpenSslAtEveryLength) {
  FakeToken token;
  const base::Bytes value(32, 0x17);
  const KeyRef key = token.plant_hmac({"sigillo.store"}, value);
  const base::Bytes context = {1, 2, 3, 0, 5};
  for (std::size_t size = 1; size <= 64; ++size) {
    const auto derived = derive(token, key, "sigillo/page", context, size);
    ASSERT_TRUE(derived);
    const auto expected = kbkdf(value, "sigillo/page", context, size);
    EXPECT_TRUE(base::constant_time_equal(derived->expose(), expected)) << size;
  }
}

TEST(Derive, LengthsOutsideTheRangeAreRefused) {
  FakeToken token;
  const KeyRef key = token.plant_hmac({"sigillo.store"}, base::Bytes(32, 1));
  for (const std::size_t size : {std::size_t{0}, std::size_t{65}}) {
    const auto derived = derive(token, key, "l", {}, size);
    ASSERT_FALSE(derived);
    EXPECT_TRUE(derived.error().is(Errc::caller_fault));
  }
}

TEST(Derive, AFailureInTheMiddleGivesNothing) {
  FakeToken token;
  const KeyRef key = token.plant_hmac({"sigillo.store"}, base::Bytes(32, 1));
  token.fail(FakeToken::Call::hmac, 2, Errc::unavailable);
  const auto derived = derive(token, key, "l", {}, 64);
  ASSERT_FALSE(derived);
  EXPECT_TRUE(derived.error().is(Errc::unavailable));
}

}  // namespace
}  // namespace sigillo::hsm
