// What only a real module can show.
#include <set>

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

std::set<std::filesystem::path> object_files() {
  std::set<std::filesystem::path> out;
  for (const auto& file :
       std::filesystem::recursive_directory_iterator(testing::softhsm_directory() / "tokens")) {
    if (file.path().extension() == ".object") out.insert(file.path());
  }
  return out;
}

// What a kill in the middle of a rewrite leaves: SoftHSM2 has truncated the file, and not written it yet.
TEST(SoftHsm, ARewritableObjectLostInTheMiddleHidesNoOther) {
  Token& token = testing::softhsm_token();
  const std::string label = fresh_label();
  const auto fixed = token.create_data(label, base::view("fixed"));
  const auto kept = token.create_rewritable_data(label, base::view("kept"));
  ASSERT_TRUE(fixed && kept);
  const auto before = object_files();
  const auto lost = token.create_rewritable_data(label, base::view("lost"));
  ASSERT_TRUE(lost);
  auto made = object_files();
  for (const auto& file : before) made.erase(file);
  ASSERT_EQ(made.size(), 1U);
  ASSERT_TRUE(token.rewrite_data(*lost, base::view("lost too")));
  std::filesystem::resize_file(*made.begin(), 0);
  const auto expect_the_others = [&] {
    const auto listed = token.list_data(label);
    ASSERT_TRUE(listed) << listed.error().detail() << " raw " << listed.error().raw();
    ASSERT_EQ(listed->size(), 2U);
    EXPECT_EQ(base::text(listed->front().value), "fixed");
    EXPECT_EQ(listed->back().handle, *kept);
  };
  expect_the_others();
  expect_errc(token.read_data(*lost), Errc::no_such_key);
  expect_errc(token.rewrite_data(*lost, base::view("again")), Errc::no_such_key);
  ASSERT_TRUE(token.rewrite_data(*kept, base::view("kept, and rewritten")));
  expect_the_others();
  ASSERT_EQ(std::filesystem::file_size(*made.begin()), 0U);
  // So it is for a process that starts then.
  ASSERT_TRUE(token.list_data_anew(label));
  expect_the_others();
  EXPECT_EQ(base::text(*token.read_data(*kept)), "kept, and rewritten");
}

TEST(SoftHsm, ARewritableObjectIsPrivateAndItsNameIsNotItsLabel) {
  const test::RawModule raw;
  const std::string label = fresh_label();
  const auto handle = testing::softhsm_token().create_rewritable_data(label, base::view("a"));
  ASSERT_TRUE(handle);
  ASSERT_TRUE(testing::softhsm_token().rewrite_data(*handle, base::Bytes{0xab, 0x01}));
  CK_OBJECT_CLASS of_class = CKO_DATA;
  CK_BBOOL yes = CK_TRUE;
  std::string application = "sigillo:" + label, value = "ab01";
  CK_ATTRIBUTE pattern[] = {{CKA_CLASS, &of_class, sizeof of_class},
                            {CKA_PRIVATE, &yes, 1},
                            {CKA_TOKEN, &yes, 1},
                            {CKA_APPLICATION, application.data(), application.size()},
                            {CKA_LABEL, value.data(), value.size()}};
  const auto session = raw.session();
  CK_OBJECT_HANDLE object = 0;
  CK_ULONG count = 0;
  ASSERT_EQ(raw->C_FindObjectsInit(session, pattern, 5), CKR_OK);
  ASSERT_EQ(raw->C_FindObjects(session, &object, 1, &count), CKR_OK);
  ASSERT_EQ(raw->C_FindObjectsFinal(session), CKR_OK);
  ASSERT_EQ(count, 1U);
  // Rewritten by another, listed, and the login lost: it is known by the value it has now.
  value = "ab02";
  CK_ATTRIBUTE by_another{CKA_LABEL, value.data(), value.size()};
  ASSERT_EQ(raw->C_SetAttributeValue(session, object, &by_another, 1), CKR_OK);
  ASSERT_TRUE(testing::softhsm_token().list_data(label));
  ASSERT_EQ(raw->C_Logout(session), CKR_OK);
  const auto listed = testing::softhsm_token().list_data(label);
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 1U);
  EXPECT_EQ(listed->front().handle, *handle);
  const auto session_since = raw.session();
  ASSERT_EQ(raw->C_FindObjectsInit(session_since, pattern, 5), CKR_OK);
  ASSERT_EQ(raw->C_FindObjects(session_since, &object, 1, &count), CKR_OK);
  ASSERT_EQ(raw->C_FindObjectsFinal(session_since), CKR_OK);
  ASSERT_EQ(count, 1U);
  std::string no_hex = "not hex";
  CK_ATTRIBUTE change{CKA_LABEL, no_hex.data(), no_hex.size()};
  ASSERT_EQ(raw->C_SetAttributeValue(session_since, object, &change, 1), CKR_OK);
  expect_errc(testing::softhsm_token().read_data(*handle), Errc::bad_attributes);
  expect_errc(testing::softhsm_token().list_data(label), Errc::bad_attributes);
  EXPECT_TRUE(testing::softhsm_token().destroy_data(*handle));
  EXPECT_TRUE(testing::softhsm_token().list_data(label)->empty());
}

// A logout by another user of the module is told as a handle that is invalid: a lost login, not a lost
// object.
TEST(SoftHsm, ALogoutBySomeoneElseIsNotAnObjectThatIsGone) {
  const test::RawModule raw;
  Token& token = testing::softhsm_token();
  const std::string label = fresh_label();
  const auto handle = token.create_rewritable_data(label, base::view("one"));
  ASSERT_TRUE(handle);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(raw->C_Logout(raw.session()), CKR_OK);
    expect_errc(i == 0 ? token.rewrite_data(*handle, base::view("two"))
                       : base::Result<void>(token.read_data(*handle).error()),
                Errc::no_such_key);
    const auto listed = token.list_data(label);
    ASSERT_TRUE(listed);
    ASSERT_EQ(listed->size(), 1U);
    EXPECT_EQ(listed->front().handle, *handle);
    EXPECT_EQ(base::text(listed->front().value), "one");
  }
  EXPECT_TRUE(token.rewrite_data(*handle, base::view("two")));
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
