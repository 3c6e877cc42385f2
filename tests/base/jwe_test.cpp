#include <base/jwe.hpp>

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "concat_kdf.hpp"

namespace sigillo::base {
namespace {

// RFC 7518 appendix C: Alice's ephemeral key, Bob's key.
constexpr std::string_view kAlice =
    R"({"kty":"EC","crv":"P-256","x":"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
  "y":"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps","d":"0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo"})";
constexpr std::string_view kBob =
    R"({"kty":"EC","crv":"P-256","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
  "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck","d":"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"})";
constexpr std::string_view kBobPublic =
    R"({"kty":"EC","crv":"P-256","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
  "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"})";

std::string public_jwk(const EcPrivateKey& key, std::string_view kid) {
  return key.public_key().to_jwk(kid);
}

boost::json::object header_of(std::string_view compact) {
  const auto header = from_base64url(compact.substr(0, compact.find('.')));
  return boost::json::parse(text(*header)).as_object();
}

std::string with_header(std::string_view compact, const boost::json::object& header) {
  return to_base64url(view(boost::json::serialize(header))) + std::string(compact.substr(compact.find('.')));
}

TEST(Jwe, TheKeyDerivationIsThatOfRfc7518AppendixC) {
  const Bytes z{158, 86, 217, 29,  129, 113, 53,  211, 114, 131, 66,  131, 191, 132, 38,  156,
                251, 49, 110, 163, 218, 128, 106, 72,  246, 218, 167, 121, 140, 254, 144, 196};
  const Secret key = concat_kdf(Secret(z), "A128GCM", view("Alice"), view("Bob"), 16);
  EXPECT_EQ(to_base64url(key.expose()), "VqqN6vgjbSBcIijNcacQGg");
}

TEST(Jwe, KeysOfTheRfcAreReadAndWrittenAlike) {
  for (const auto jwk : {kAlice, kBob}) {
    const auto key = EcPrivateKey::from_jwk(Secret(view(jwk)));
    ASSERT_TRUE(key);
    const Secret written = key->to_jwk("k1");
    const auto object = boost::json::parse(written.expose_text()).as_object();
    const auto original = boost::json::parse(jwk).as_object();
    for (const char* member : {"kty", "crv", "x", "y", "d"})
      EXPECT_EQ(object.at(member), original.at(member));
    EXPECT_EQ(object.at("kid").as_string(), "k1");
    EXPECT_TRUE(EcPrivateKey::from_jwk(written));
  }
}

TEST(Jwe, AThumbprintDoesNotDependOnHowTheKeyWasWritten) {
  const auto key = EcPublicKey::from_jwk(
      R"({ "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck","kid":"x","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ","crv":"P-256","use":"enc","kty":"EC"})");
  ASSERT_TRUE(key);
  EXPECT_EQ(key->kid(), "x");
  EXPECT_EQ(key->thumbprint(), EcPrivateKey::from_jwk(Secret(view(kBob)))->public_key().thumbprint());
  EXPECT_EQ(
      key->to_jwk("b", "enc"),
      R"({"crv":"P-256","kid":"b","kty":"EC","use":"enc","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ","y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"})");
}

TEST(Jwe, WhatIsSealedForAKeyOpensWithIt) {
  const auto key = EcPrivateKey::generate();
  const std::string plain = R"({"kind":"pin.first-half","pin":"K7QF-2M9X","text":"La prima parte…"})";
  const std::string compact = seal_jwe(key.public_key(), "courier-sms-1", Secret(view(plain)));
  const auto header = header_of(compact);
  EXPECT_EQ(header.at("alg").as_string(), "ECDH-ES");
  EXPECT_EQ(header.at("enc").as_string(), "A256GCM");
  EXPECT_EQ(header.size(), 4U);
  EXPECT_FALSE(header.at("epk").as_object().contains("d"));
  EXPECT_EQ(jwe_kid(compact), "courier-sms-1");
  const auto opened = open_jwe(key, compact);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->expose_text(), plain);
  EXPECT_FALSE(open_jwe(EcPrivateKey::generate(), compact)) << "the other courier's key";
  EXPECT_FALSE(jwe_kid(seal_jwe(key.public_key(), {}, Secret(view(plain)))));
}

TEST(Jwe, EveryTextHasAnEphemeralKeyOfItsOwn) {
  const auto key = EcPrivateKey::generate();
  const auto one = header_of(seal_jwe(key.public_key(), "k", Secret(view("x"))));
  const auto two = header_of(seal_jwe(key.public_key(), "k", Secret(view("x"))));
  EXPECT_NE(one.at("epk").as_object().at("x"), two.at("epk").as_object().at("x"));
}

TEST(Jwe, NoCharacterOfASealedTextMayChange) {
  const auto key = EcPrivateKey::generate();
  const std::string compact = seal_jwe(key.public_key(), "k", Secret(view("K7QF-2M9X")));
  ASSERT_TRUE(open_jwe(key, compact));
  for (std::size_t i = 0; i < compact.size(); ++i) {
    std::string altered = compact;
    altered[i] = altered[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(open_jwe(key, altered)) << i;
    EXPECT_FALSE(open_jwe(key, compact.substr(0, i))) << i;
  }
  EXPECT_FALSE(open_jwe(key, compact + "A"));
  EXPECT_FALSE(open_jwe(key, compact + "."));
  EXPECT_FALSE(open_jwe(key, compact + "=="));
}

TEST(Jwe, AHeaderOfAnotherFormIsNotOpened) {
  const auto key = EcPrivateKey::generate();
  const std::string compact = seal_jwe(key.public_key(), "k", Secret(view("x")));
  const std::pair<const char*, const char*> changes[] = {
      {"alg", "ECDH-ES+A256KW"}, {"alg", "none"}, {"alg", "dir"},
      {"enc", "A128GCM"},        {"zip", "DEF"},  {"crit", "exp"}};
  for (const auto& [member, value] : changes) {
    auto header = header_of(compact);
    header[member] = value;
    EXPECT_FALSE(open_jwe(key, with_header(compact, header))) << member << value;
  }
  auto header = header_of(compact);
  header.erase("epk");
  EXPECT_FALSE(open_jwe(key, with_header(compact, header)));
  for (const char* text : {"", ".", "....", "a.b.c.d.e", "W10....", "e30....", "e30..AAAA.AAAA.AAAA"}) {
    EXPECT_FALSE(open_jwe(key, text)) << text;
    EXPECT_FALSE(jwe_kid(text)) << text;
  }
}

TEST(Jwe, APointOffTheCurveIsRefused) {
  auto jwk = boost::json::parse(kBobPublic).as_object();
  ASSERT_TRUE(EcPublicKey::from_jwk(boost::json::serialize(jwk)));
  jwk["y"] = "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyc0";
  EXPECT_FALSE(EcPublicKey::from_jwk(boost::json::serialize(jwk)));
  const auto key = EcPrivateKey::generate();
  const std::string compact = seal_jwe(key.public_key(), "k", Secret(view("x")));
  auto header = header_of(compact);
  header["epk"] = jwk;
  EXPECT_FALSE(open_jwe(key, with_header(compact, header)));
}

TEST(Jwe, AReplyKeyMustBeAPublicPointOfP256) {
  const auto good = boost::json::parse(public_jwk(EcPrivateKey::generate(), "r")).as_object();
  ASSERT_TRUE(EcPublicKey::from_jwk(boost::json::serialize(good)));
  const std::pair<const char*, boost::json::value> changes[] = {
      {"kty", "RSA"}, {"kty", 1},  {"crv", "P-384"}, {"crv", "secp256k1"}, {"x", ""},          {"x", "AA"},
      {"y", nullptr}, {"d", "AA"}, {"d", nullptr},   {"kid", 7},           {"x", good.at("y")}};
  for (const auto& [member, value] : changes) {
    auto jwk = good;
    jwk[member] = value;
    EXPECT_FALSE(EcPublicKey::from_jwk(boost::json::serialize(jwk)))
        << member << boost::json::serialize(value);
  }
  auto with_more = good;
  with_more["alg"] = "ECDH-ES";
  with_more["key_ops"] = boost::json::array{};
  EXPECT_TRUE(EcPublicKey::from_jwk(boost::json::serialize(with_more)));
  for (const char* text : {"", "[]", "null", "{", "{}", "{\"kty\":\"EC\"}"})
    EXPECT_FALSE(EcPublicKey::from_jwk(text)) << text;
}

TEST(Jwe, APrivateKeyMustBeWholeAndFitItsPoint) {
  const auto good = boost::json::parse(kBob).as_object();
  const std::string alice_d(boost::json::parse(kAlice).as_object().at("d").as_string());
  const std::string zero = to_base64url(Bytes(32, 0));
  const std::string over_order = to_base64url(Bytes(32, 0xff));
  for (const std::string& d :
       {alice_d, zero, over_order, std::string(), std::string("AA"), std::string(43, '!')}) {
    auto jwk = good;
    jwk["d"] = d;
    EXPECT_FALSE(EcPrivateKey::from_jwk(Secret(view(boost::json::serialize(jwk))))) << d;
  }
  auto without = good;
  without.erase("d");
  EXPECT_FALSE(EcPrivateKey::from_jwk(Secret(view(boost::json::serialize(without)))));
  EXPECT_FALSE(EcPrivateKey::from_jwk(Secret()));
  EXPECT_FALSE(EcPrivateKey::from_jwk(Secret(view("{\"kty\":"))));
  EXPECT_FALSE(EcPrivateKey::from_jwk(Secret(view(std::string(2048, '[')))));
  EXPECT_FALSE(EcPrivateKey::from_jwk(Secret(view(std::string(100'000, ' ')))));
}

}  // namespace
}  // namespace sigillo::base
