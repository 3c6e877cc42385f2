// A person's own token, where no command comes along: keys that want the PIN at each signature, tokens that
// show nothing without it, and what is made of a URI. tests/provisioning/officer_token_test has the rest.
#include <hsm/personal_token.hpp>

#include <dlfcn.h>

#include <p11-kit/pkcs11.h>

#include <gtest/gtest.h>
#include <support/softhsm_fixture.hpp>

namespace sigillo::hsm {
namespace {

constexpr base::Byte kP256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

// What a card's own tool does: a pair, made in the token.
void make_pair(const std::string& label, bool asks_each_time, bool shows_public) {
  const auto& options = testing::softhsm_options();
  void* library = ::dlopen(options.module.c_str(), RTLD_NOW);
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
  CK_FUNCTION_LIST* f = nullptr;
  ASSERT_EQ(get(&f), CKR_OK);
  ASSERT_EQ(f->C_Initialize(nullptr), CKR_OK);
  CK_SLOT_ID slots[8];
  CK_ULONG count = 8;
  ASSERT_EQ(f->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
  CK_SESSION_HANDLE session = 0;
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_TOKEN_INFO info{};
    ASSERT_EQ(f->C_GetTokenInfo(slots[i], &info), CKR_OK);
    if (std::string(reinterpret_cast<char*>(info.label), 12) != testing::kTokenLabel) continue;
    ASSERT_EQ(f->C_OpenSession(slots[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session),
              CKR_OK);
  }
  const auto pin = testing::user_pin();
  ASSERT_EQ(f->C_Login(session, CKU_USER, const_cast<unsigned char*>(pin.expose().data()), pin.size()),
            CKR_OK);
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE, ask = asks_each_time, hidden = !shows_public;
  const auto flag = [](CK_ATTRIBUTE_TYPE type, CK_BBOOL& value) {
    return CK_ATTRIBUTE{type, &value, sizeof value};
  };
  const auto text = [](CK_ATTRIBUTE_TYPE type, const void* data, std::size_t size) {
    return CK_ATTRIBUTE{type, const_cast<void*>(data), size};
  };
  CK_ATTRIBUTE open[] = {flag(CKA_TOKEN, yes),
                         flag(CKA_VERIFY, yes),
                         flag(CKA_PRIVATE, hidden),
                         text(CKA_LABEL, label.data(), label.size()),
                         text(CKA_ID, label.data(), label.size()),
                         text(CKA_EC_PARAMS, kP256, sizeof kP256)};
  CK_ATTRIBUTE closed[] = {flag(CKA_TOKEN, yes),
                           flag(CKA_PRIVATE, yes),
                           flag(CKA_SENSITIVE, yes),
                           flag(CKA_EXTRACTABLE, no),
                           flag(CKA_SIGN, yes),
                           flag(CKA_ALWAYS_AUTHENTICATE, ask),
                           text(CKA_LABEL, label.data(), label.size()),
                           text(CKA_ID, label.data(), label.size())};
  CK_MECHANISM make{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  CK_OBJECT_HANDLE one = 0, other = 0;
  ASSERT_EQ(
      f->C_GenerateKeyPair(session, &make, open, std::size(open), closed, std::size(closed), &one, &other),
      CKR_OK);
  ASSERT_EQ(f->C_Finalize(nullptr), CKR_OK);
}

TokenUri uri_of(const std::string& label) {
  auto parsed = parse_token_uri("pkcs11:token=" + std::string(testing::kTokenLabel) + ";object=" + label);
  auto uri = std::get<TokenUri>(std::move(parsed));
  uri.module_path = testing::softhsm_options().module;
  return uri;
}

base::Digest digest_of(base::Byte first) {
  base::Digest digest{};
  digest[0] = first;
  return digest;
}

TEST(PersonalToken, AKeyThatWantsThePinAtEachSignatureSignsAgainAndAgain) {
  make_pair("qualified", true, true);
  auto token = PersonalToken::open(uri_of("qualified"));
  ASSERT_TRUE(token) << token.error().detail();
  ASSERT_TRUE((*token)->log_in(testing::user_pin()));
  ASSERT_TRUE((*token)->find_key());
  for (base::Byte first = 1; first <= 3; ++first) EXPECT_TRUE((*token)->sign(digest_of(first))) << int(first);
}

TEST(PersonalToken, WhatIsShownToNobodyIsFoundAfterTheLogin) {
  make_pair("hidden", false, false);
  auto token = PersonalToken::open(uri_of("hidden"));
  ASSERT_TRUE(token);
  EXPECT_FALSE((*token)->public_point());
  EXPECT_FALSE((*token)->find_key());
  ASSERT_TRUE((*token)->log_in(testing::user_pin()));
  ASSERT_TRUE((*token)->find_key());
  EXPECT_TRUE((*token)->public_point());
  EXPECT_TRUE((*token)->sign(digest_of(1)));
}

TEST(PersonalToken, AUriSaysWhichTokenAndKeyAndNoPin) {
  const auto good =
      parse_token_uri("pkcs11:token=Anna%20Galli;id=%01%ff;serial=42?pin-source=file:///media/pin");
  const auto& uri = std::get<TokenUri>(good);
  EXPECT_EQ(uri.token, "Anna Galli");
  EXPECT_EQ(uri.serial, "42");
  EXPECT_EQ(uri.id, (base::Bytes{0x01, 0xff}));
  EXPECT_EQ(uri.pin_source, "/media/pin");
  for (const char* bad :
       {"", "pkcs11:", "pkcs11:token=a", "pkcs11:object=a", "pkcs11:token=a;object=b?pin-value=1234",
        "pkcs11:token=a;object=b?pin-source=%7ccat", "pkcs11:token=a;object=b?module-path=x.so",
        "pkcs11:token=a;object=b?module-name=x", "pkcs11:token=a;object=b;x=c",
        "pkcs11:token=%zz;object=b"}) {
    const auto parsed = parse_token_uri(bad);
    ASSERT_TRUE(std::holds_alternative<std::string>(parsed)) << bad;
    EXPECT_EQ(std::get<std::string>(parsed).find("1234"), std::string::npos);
  }
}

}  // namespace
}  // namespace sigillo::hsm
