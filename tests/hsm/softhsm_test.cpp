// What only a real module can show.
#include "contract.hpp"

namespace sigillo::hsm {
namespace {

using test::expect_errc;
using test::fresh_label;

TEST(SoftHsm, EveryAttributeThatIsNotAsItMustBeRefusesTheKey) {
  const test::RawModule raw;
  Token& token = testing::softhsm_token();
  for (const auto& [attribute, value] : {std::pair{CKA_EXTRACTABLE, true},
                                         {CKA_SENSITIVE, false},
                                         {CKA_PRIVATE, false},
                                         {CKA_SIGN, false},
                                         {CKA_VERIFY, true},
                                         {CKA_ENCRYPT, true},
                                         {CKA_DECRYPT, true},
                                         {CKA_WRAP, true},
                                         {CKA_UNWRAP, true},
                                         {CKA_DERIVE, true}}) {
    const KeyId id{fresh_label()};
    raw.plant(id, attribute, value);
    SCOPED_TRACE(attribute);
    expect_errc(token.find_key(id), Errc::bad_attributes);
  }
  const KeyId good{fresh_label()};
  raw.plant(good, CKA_SIGN, true);
  EXPECT_TRUE(token.find_key(good)) << "the template itself is right";
}

TEST(SoftHsm, TwoKeysOfOneNameAreRefused) {
  const test::RawModule raw;
  const KeyId id{fresh_label()};
  raw.plant(id, CKA_SIGN, true);
  raw.plant(id, CKA_SIGN, true);
  expect_errc(testing::softhsm_token().find_key(id), Errc::bad_attributes);
}

TEST(SoftHsm, APublicKeyPutInThePlaceOfOursIsNotBelieved) {
  const test::RawModule raw;
  Token& token = testing::softhsm_token();
  const KeyId ours{fresh_label()};
  const KeyId other{fresh_label()};
  const auto key = token.generate_key(ours, KeyType::ec_p256);
  ASSERT_TRUE(key && token.generate_key(other, KeyType::ec_p256));
  // The other's public object takes our label, and ours goes.
  const auto session = raw.session();
  const auto public_object = [&](const std::string& label) {
    CK_OBJECT_CLASS of_class = CKO_PUBLIC_KEY;
    CK_ATTRIBUTE pattern[] = {{CKA_CLASS, &of_class, sizeof of_class},
                              {CKA_LABEL, const_cast<char*>(label.data()), label.size()}};
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG count = 0;
    EXPECT_EQ(raw->C_FindObjectsInit(session, pattern, 2), CKR_OK);
    EXPECT_EQ(raw->C_FindObjects(session, &object, 1, &count), CKR_OK);
    EXPECT_EQ(raw->C_FindObjectsFinal(session), CKR_OK);
    EXPECT_EQ(count, 1U);
    return object;
  };
  ASSERT_EQ(raw->C_DestroyObject(session, public_object(ours.label)), CKR_OK);
  CK_ATTRIBUTE label{CKA_LABEL, const_cast<char*>(ours.label.data()), ours.label.size()};
  ASSERT_EQ(raw->C_SetAttributeValue(session, public_object(other.label), &label, 1), CKR_OK);
  expect_errc(token.public_key(*key), Errc::bad_attributes);
}

TEST(SoftHsm, DataIsPrivateAndOurs) {
  const test::RawModule raw;
  const std::string label = fresh_label();
  ASSERT_TRUE(testing::softhsm_token().create_data(label, base::view("anchor")));
  CK_OBJECT_CLASS of_class = CKO_DATA;
  CK_BBOOL yes = CK_TRUE;
  char application[] = "sigillo";
  CK_ATTRIBUTE pattern[] = {{CKA_CLASS, &of_class, sizeof of_class},
                            {CKA_PRIVATE, &yes, 1},
                            {CKA_TOKEN, &yes, 1},
                            {CKA_APPLICATION, application, 7},
                            {CKA_LABEL, const_cast<char*>(label.data()), label.size()}};
  const auto session = raw.session();
  CK_OBJECT_HANDLE object = 0;
  CK_ULONG count = 0;
  ASSERT_EQ(raw->C_FindObjectsInit(session, pattern, 5), CKR_OK);
  ASSERT_EQ(raw->C_FindObjects(session, &object, 1, &count), CKR_OK);
  ASSERT_EQ(raw->C_FindObjectsFinal(session), CKR_OK);
  EXPECT_EQ(count, 1U);
}

// The trap: SoftHSM2 gives 0x82 for the key, not "not logged in", once another user of the module logged us
// out.
TEST(SoftHsm, ALogoutBySomeoneElseIsMended) {
  const test::RawModule raw;
  Token& token = testing::softhsm_token();
  const auto mac = token.generate_key({fresh_label()}, KeyType::hmac_sha256);
  const auto pair = token.generate_key({fresh_label()}, KeyType::ec_p256);
  ASSERT_TRUE(mac && pair);
  const auto answer = *token.hmac(*mac, base::view("x"));
  const std::string label = fresh_label();
  ASSERT_TRUE(token.create_data(label, base::view("anchor")));
  ASSERT_EQ(raw->C_Logout(raw.session()), CKR_OK);
  EXPECT_TRUE(token.sign(*pair, base::Bytes(32, 1)));
  ASSERT_EQ(raw->C_Logout(raw.session()), CKR_OK);
  EXPECT_EQ(token.list_data(label)->size(), 1U) << "a token without login must not look empty";
  const auto again = token.hmac(*mac, base::view("x"));
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, answer);
}

TEST(SoftHsm, SessionsClosedBySomeoneElseAreMended) {
  const test::RawModule raw;
  Token& token = testing::softhsm_token();
  const auto mac = token.generate_key({fresh_label()}, KeyType::hmac_sha256);
  ASSERT_TRUE(mac);
  const auto answer = *token.hmac(*mac, base::view("x"));
  ASSERT_EQ(raw->C_CloseAllSessions(raw.slot()), CKR_OK);
  const auto again = token.hmac(*mac, base::view("x"));
  ASSERT_TRUE(again) << again.error().detail();
  EXPECT_EQ(*again, answer);
}

}  // namespace
}  // namespace sigillo::hsm
