// What the Connection does when session, login, device or module fail.
#include <atomic>
#include <regex>
#include <thread>

#include <base/log.hpp>

#include "recovery.hpp"

namespace sigillo::hsm {
namespace {

TEST_F(Recovery, AWrongPinIsTriedOnce) {
  token_.reset();
  const auto before = control().calls("C_Login");
  expect_errc(Pkcs11Token::open(options(), base::Secret(base::view("not the pin"))), Errc::credential);
  EXPECT_EQ(control().calls("C_Login"), before + 1);
}

TEST_F(Recovery, APinThatWouldLockTheTokenIsNotTried) {
  token_.reset();
  for (const CK_FLAGS flag : {CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED}) {
    control()->token_flags = flag;
    const auto before = control().calls("C_Login");
    expect_errc(Pkcs11Token::open(options(), testing::user_pin()), Errc::credential);
    EXPECT_EQ(control().calls("C_Login"), before);
  }
}

TEST_F(Recovery, APinRefusedAtReLoginIsNeverTriedAgainAndToldToWhoRemembersIt) {
  token_.reset();
  int told = 0;
  auto with = options();
  with.pin_refused = [&told](const base::Secret& pin) {
    told += base::constant_time_equal(pin, testing::user_pin()) ? 1 : 0;
  };
  open(with);
  control().arm("C_Login", Action::fail, CKR_PIN_INCORRECT);
  const auto before = control().calls("C_Login");
  close_all_sessions();
  EXPECT_FALSE(token_->hmac(key_, base::view("x")));
  for (int i = 0; i < 5; ++i) expect_errc(token_->hmac(key_, base::view("x")), Errc::credential);
  EXPECT_EQ(control().calls("C_Login"), before + 1);
  EXPECT_EQ(told, 1);
}

TEST_F(Recovery, ALockedPinIsNotToldAsAWrongOne) {
  token_.reset();
  int told = 0;
  auto with = options();
  with.pin_refused = [&told](const base::Secret&) { ++told; };
  control().arm("C_Login", Action::fail, CKR_PIN_LOCKED);
  expect_errc(Pkcs11Token::open(with, testing::user_pin()), Errc::credential);
  EXPECT_EQ(told, 0) << "it may be the right one, and good again once an operator has unlocked it";
}

TEST_F(Recovery, LostSessionsAreOpenedAgainWithinTheCall) {
  const auto initialized = control().calls("C_Initialize");
  const auto data = token_->create_data(key_id_.label, base::view("anchor"));
  ASSERT_TRUE(data);
  const auto logins = token_->logins();
  for (int i = 0; i < 3; ++i) {
    close_all_sessions();
    const auto again = token_->hmac(key_, base::view("x"));
    ASSERT_TRUE(again) << again.error().detail();
    EXPECT_EQ(*again, answer_);
  }
  EXPECT_EQ(token_->logins(), logins + 3) << "whoever watches sees it";
  close_all_sessions();
  EXPECT_EQ(token_->list_data(key_id_.label)->size(), 1U) << "a token without login must not look empty";
  close_all_sessions();
  ASSERT_TRUE(token_->create_data(key_id_.label, base::view("next")));
  close_all_sessions();
  EXPECT_TRUE(token_->destroy_data(*data));
  EXPECT_EQ(token_->list_data(key_id_.label)->size(), 1U);
  EXPECT_EQ(control().calls("C_Initialize"), initialized) << "no reload for a lost session";
}

TEST_F(Recovery, SessionsLostUnderEightThreadsHurtNobody) {
  std::atomic<int> wrong{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      while (!stop) {
        const auto again = token_->hmac(key_, base::view("x"));
        if (again && *again != answer_) ++wrong;  // an error is allowed here, another answer never
      }
    });
  }
  // Sessions are not closed under the threads (SoftHSM2 crashes at that): the module says they are gone.
  for (int i = 0; i < 20; ++i) {
    const auto seen = control().calls("C_Sign");
    control().arm("C_SignInit", Action::fail, CKR_SESSION_HANDLE_INVALID, 1, 4);
    control().await_calls("C_Sign", seen + 50);
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(comes_back());
}

TEST_F(Recovery, WhileTheDeviceIsAwayItIsNotTouchedAndThenItComesBack) {
  control().arm("C_", Action::fail, CKR_DEVICE_REMOVED, 1, 0);
  expect_errc(token_->hmac(key_, base::view("x")), Errc::unavailable);
  const auto signs = control().calls("C_SignInit");
  for (int i = 0; i < 1'000; ++i) expect_errc(token_->hmac(key_, base::view("x")), Errc::unavailable);
  EXPECT_EQ(control().calls("C_SignInit"), signs) << "callers are answered from a flag";
  control().await_calls("C_GetSlotList", control().calls("C_GetSlotList") + 1);  // the watcher tries, in vain
  control().clear();
  EXPECT_TRUE(comes_back());
}

TEST_F(Recovery, AModuleThatOnlyAReloadBringsBackIsReloaded) {
  const auto anchor = token_->create_data(key_id_.label, base::view("anchor"));
  ASSERT_TRUE(anchor);
  const auto initialized = control().calls("C_Initialize");
  control().arm("C_", Action::fail_until_init, CKR_DEVICE_ERROR, 1, 0);
  expect_errc(token_->hmac(key_, base::view("x")), Errc::unavailable);
  EXPECT_TRUE(comes_back());
  EXPECT_EQ(control().calls("C_Initialize"), initialized + 1);
  // Object handles of the module begin anew: ours must still mean the anchor, and not a key.
  EXPECT_TRUE(token_->destroy_data(*anchor));
  EXPECT_TRUE(token_->list_data(key_id_.label)->empty());
  EXPECT_TRUE(token_->find_key(key_id_));
}

TEST_F(Recovery, ADeviceThatStaysAwayIsReloadedEverMoreRarely) {
  const auto initialized = control().calls("C_Initialize");
  // The first try looks for the token, and again after the reload; the next two only look.
  control().arm("C_GetSlotList", Action::hang, 0, 4, 0);
  control().arm("C_", Action::fail, CKR_DEVICE_REMOVED, 1, 0);
  expect_errc(token_->hmac(key_, base::view("x")), Errc::unavailable);
  control().await_hanging();
  EXPECT_EQ(control().calls("C_Initialize"), initialized + 1);
  control().clear();
  EXPECT_TRUE(comes_back());
}

TEST_F(Recovery, TheLogSaysHowOldALostSessionWasAndHowLongIdle) {
  const auto log_of = [this](CK_RV rv) {
    control().arm("C_Sign", Action::fail, rv);
    ::testing::internal::CaptureStderr();
    (void)token_->hmac(key_, base::view("x"));
    base::log::flush();
    return ::testing::internal::GetCapturedStderr();
  };
  const auto old = std::chrono::steady_clock::now() + std::chrono::milliseconds(10);
  while (std::chrono::steady_clock::now() < old) ASSERT_TRUE(token_->hmac(key_, base::view("x")));
  const auto anew = log_of(CKR_SESSION_HANDLE_INVALID);
  EXPECT_TRUE(std::regex_search(
      anew, std::regex(R"(info hsm-login-anew raw=179 session_age_ms=\d\d+ session_idle_ms=\d+)")))
      << anew;
  const auto down = log_of(CKR_DEVICE_REMOVED);
  EXPECT_TRUE(std::regex_search(
      down, std::regex(R"(hsm-down why=".+" raw=50 session_age_ms=\d+ session_idle_ms=\d+)")))
      << down;
  EXPECT_TRUE(comes_back());
}

TEST_F(Recovery, OneFailedCallDoesNotSwitchTheDeviceOff) {
  for (const CK_RV rv : {CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, CKR_DEVICE_ERROR, CKR_VENDOR_DEFINED + 7}) {
    control().arm("C_Sign", Action::fail, rv);
    expect_errc(token_->hmac(key_, base::view("x")), Errc::unavailable);
    const auto next = token_->hmac(key_, base::view("x"));
    ASSERT_TRUE(next) << "after 0x" << std::hex << rv;
    EXPECT_EQ(*next, answer_);
  }
}

TEST_F(Recovery, ManyFailedCallsDoNotUseUpTheSessions) {
  for (int i = 0; i < 100; ++i) {
    control().arm("C_Sign", Action::fail, CKR_DATA_LEN_RANGE);
    expect_errc(token_->hmac(key_, base::view("x")), Errc::caller_fault);
    ASSERT_TRUE(token_->hmac(key_, base::view("x")));
  }
}

TEST_F(Recovery, ACallWhoseEffectIsUnknownIsNotRepeated) {
  control().arm("C_CopyObject", Action::fail_after, CKR_SESSION_CLOSED);
  expect_errc(token_->create_data(key_id_.label, base::view("once")), Errc::unavailable);
  EXPECT_EQ(token_->list_data(key_id_.label)->size(), 1U);
  for (const char* function : {"C_CreateObject", "C_CopyObject"}) {
    control().arm(function, Action::fail, CKR_SESSION_HANDLE_INVALID);
    EXPECT_TRUE(token_->create_data(key_id_.label, base::view("twice")))
        << "nothing was done: it may be repeated";
  }
  EXPECT_EQ(token_->list_data(key_id_.label)->size(), 3U);
}

TEST_F(Recovery, WhereDataCannotBeCopiedToTheTokenItIsMadeThere) {
  control().arm("C_CopyObject", Action::fail, CKR_ACTION_PROHIBITED, 1, 0);
  const auto copies = control().calls("C_CopyObject");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(token_->create_data(key_id_.label, base::view("anchor")));
  EXPECT_EQ(control().calls("C_CopyObject"), copies + 1) << "who refuses once is not asked again";
  EXPECT_EQ(token_->list_data(key_id_.label)->size(), 3U) << "and no draft is left";
}

// Who lost a login looks anew before it writes: see hsm::Token::rewrite_data.
TEST_F(Recovery, AfterALostLoginDataIsNeitherRewrittenNorReadUntilItIsListedAgain) {
  const auto& label = key_id_.label;
  const auto handle = token_->create_rewritable_data(label, base::view("one"));
  const auto fixed = token_->create_data(label, base::view("fixed"));
  ASSERT_TRUE(handle && fixed);
  ASSERT_TRUE(token_->rewrite_data(*handle, base::view("two")));
  const auto initialized = control().calls("C_Initialize");
  for (const bool found_out_before : {false, true}) {
    for (const bool write_first : {false, true}) {
      close_all_sessions();
      if (found_out_before) {
        ASSERT_TRUE(token_->hmac(key_, base::view("x")));
      }
      const auto asked = [] {
        return control().calls("C_SetAttributeValue") + control().calls("C_GetAttributeValue");
      };
      const auto before = asked();
      if (write_first) expect_errc(token_->rewrite_data(*handle, base::view("three")), Errc::no_such_key);
      expect_errc(token_->read_data(*handle), Errc::no_such_key);
      expect_errc(token_->read_data(*fixed), Errc::no_such_key);
      expect_errc(token_->rewrite_data(*handle, base::view("three")), Errc::no_such_key);
      // The module's handle of an earlier login may be another object's now: it is not even asked.
      EXPECT_EQ(asked() - before, found_out_before ? 0U : 1U);
      const auto listed = token_->list_data(label);
      ASSERT_TRUE(listed);
      ASSERT_EQ(listed->size(), 2U);
      EXPECT_EQ(listed->back().handle, *handle);
      EXPECT_EQ(base::text(listed->back().value), "two");
      EXPECT_EQ(base::text(*token_->read_data(*handle)), "two");
      EXPECT_EQ(base::text(*token_->read_data(*fixed)), "fixed");
      ASSERT_TRUE(token_->rewrite_data(*handle, base::view("mid")));
      ASSERT_TRUE(token_->rewrite_data(*handle, base::view("two")));
    }
  }
  EXPECT_EQ(control().calls("C_Initialize"), initialized);
  // Destroying one looks that one up again, and no other.
  close_all_sessions();
  EXPECT_TRUE(token_->destroy_data(*fixed));
  expect_errc(token_->rewrite_data(*handle, base::view("three")), Errc::no_such_key);
  EXPECT_TRUE(token_->destroy_data(*handle));
  expect_errc(token_->destroy_data(*handle), Errc::no_such_key);
  EXPECT_TRUE(token_->list_data(label)->empty());
}

TEST_F(Recovery, OfTwoEqualObjectsTheOneMadeSinceIsNotDestroyedForTheOther) {
  const auto& label = key_id_.label;
  const auto old = token_->create_rewritable_data(label, base::view("same"));
  ASSERT_TRUE(old);
  close_all_sessions();
  const auto since = token_->create_rewritable_data(label, base::view("same"));
  ASSERT_TRUE(since);
  EXPECT_TRUE(token_->destroy_data(*old));
  EXPECT_TRUE(token_->read_data(*since));
  EXPECT_TRUE(token_->destroy_data(*since));
  EXPECT_TRUE(token_->list_data(label)->empty());
}

TEST_F(Recovery, DataRewrittenBySomeoneElseIsAnotherHandleAfterALostLogin) {
  const auto& label = key_id_.label;
  const auto handle = token_->create_rewritable_data(label, base::view("one"));
  ASSERT_TRUE(handle);
  // Done, and the answer lost with the login: nobody knows.
  control().arm("C_SetAttributeValue", Action::fail_after, CKR_SESSION_CLOSED);
  expect_errc(token_->rewrite_data(*handle, base::view("two")), Errc::unavailable);
  const auto listed = token_->list_data(label);
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 1U);
  EXPECT_EQ(base::text(listed->front().value), "two");
  EXPECT_NE(listed->front().handle, *handle);
  expect_errc(token_->rewrite_data(*handle, base::view("three")), Errc::no_such_key);
  ASSERT_TRUE(token_->rewrite_data(listed->front().handle, base::view("three")));
  EXPECT_EQ(base::text(*token_->read_data(listed->front().handle)), "three");
}

TEST_F(Recovery, AModuleThatLetsNoLabelChangeChangesNothing) {
  const auto& label = key_id_.label;
  const auto handle = token_->create_rewritable_data(label, base::view("one"));
  ASSERT_TRUE(handle);
  const auto logins = control().calls("C_Login");
  for (const CK_RV rv : {CKR_ATTRIBUTE_READ_ONLY, CKR_FUNCTION_NOT_SUPPORTED, CKR_ACTION_PROHIBITED,
                         CKR_TEMPLATE_INCONSISTENT, CKR_DATA_LEN_RANGE, CKR_ATTRIBUTE_VALUE_INVALID}) {
    control().arm("C_SetAttributeValue", Action::fail, rv);
    expect_errc(token_->rewrite_data(*handle, base::view("two")), Errc::caller_fault);
    EXPECT_EQ(base::text(*token_->read_data(*handle)), "one");
  }
  EXPECT_EQ(control().calls("C_Login"), logins);
  EXPECT_TRUE(token_->rewrite_data(*handle, base::view("two")));
}

TEST_F(Recovery, DataIsRewrittenAndReadByOneCall) {
  const auto handle = token_->create_rewritable_data(key_id_.label, base::Bytes(128, 1));
  ASSERT_TRUE(handle);
  const auto all = [] {
    return control().calls("C_SetAttributeValue") + control().calls("C_GetAttributeValue");
  };
  const auto before = all();
  const auto searches = control().calls("C_FindObjectsInit"), asked = control().calls("C_GetSessionInfo");
  ASSERT_TRUE(token_->rewrite_data(*handle, base::Bytes(128, 2)));
  EXPECT_EQ(all(), before + 1);
  ASSERT_TRUE(token_->read_data(*handle));
  EXPECT_EQ(all(), before + 2);
  EXPECT_EQ(control().calls("C_FindObjectsInit"), searches);
  EXPECT_EQ(control().calls("C_GetSessionInfo"), asked);
}

// An object that is gone is no lost login: the other handles live on.
TEST_F(Recovery, AnObjectThatIsGoneEndsNoOtherHandle) {
  const auto& label = key_id_.label;
  const auto gone = token_->create_rewritable_data(label, base::view("one"));
  const auto other = token_->create_rewritable_data(label, base::view("two"));
  ASSERT_TRUE(gone && other);
  const auto logins = control().calls("C_Login");
  control().arm("C_GetAttributeValue", Action::fail, CKR_OBJECT_HANDLE_INVALID);
  expect_errc(token_->read_data(*gone), Errc::no_such_key);
  control().arm("C_SetAttributeValue", Action::fail, CKR_OBJECT_HANDLE_INVALID);
  expect_errc(token_->rewrite_data(*gone, base::view("three")), Errc::no_such_key);
  EXPECT_TRUE(token_->rewrite_data(*other, base::view("four")));
  // And one that goes between the search and the reading fails no list.
  control().arm("C_GetAttributeValue", Action::fail, CKR_OBJECT_HANDLE_INVALID);
  EXPECT_EQ(token_->list_data(label)->size(), 1U);
  EXPECT_EQ(token_->list_data(label)->size(), 2U);
  EXPECT_EQ(control().calls("C_Login"), logins);
}

// Attack: (1) two copies of the appliance run. (2) The module of one does not end, and so is not loaded anew:
// it shows what it knew before, without what the other has made.
TEST_F(Recovery, WhereTheModuleIsNotLoadedAnewNoListIsTakenForAComplete) {
  const auto label = fresh_label();
  const auto made = token_->create_data(label, base::view("anchor"));
  ASSERT_TRUE(made);
  control().arm("C_Finalize", Action::fail, CKR_FUNCTION_FAILED);
  expect_errc(token_->list_data_anew(label), Errc::unavailable);
  EXPECT_EQ(*token_->hmac(key_, base::view("x")), answer_) << "it serves on";
  const auto listed = token_->list_data_anew(label);
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->size(), 1u);
  EXPECT_TRUE(token_->destroy_data(*made));
}

TEST_F(Recovery, AWrongKeyThatCouldNotBeDestroyedAgainIsToldAsThere) {
  const KeyId one{key_id_.label + "-one"}, two{key_id_.label + "-two"};
  const base::Secret wrapping(kWrappingKeyBytes);
  for (const auto& id : {one, two}) ASSERT_TRUE(token_->generate_open_key(id, KeyType::hmac_sha256));
  auto wrapped = token_->wrap_open_key(one, wrapping);
  const auto other = token_->wrap_open_key(two, wrapping);
  ASSERT_TRUE(wrapped && other);
  wrapped->wrapped = other->wrapped;
  // The first is the wrapping key.
  auto& rule = control().arm("C_DestroyObject", Action::fail, CKR_FUNCTION_FAILED, 2, 0);
  const auto refused = token_->unwrap_key(*wrapped, wrapping);
  control().disarm(rule);
  expect_errc(refused, Errc::bad_attributes);
  EXPECT_NE(std::string(refused.error().detail()).find("still in the token"), std::string::npos)
      << refused.error().detail();
  EXPECT_TRUE(token_->find_key(one));
  EXPECT_TRUE(token_->destroy_key(one));
  for (const auto& id : {one, two}) EXPECT_TRUE(token_->destroy_open_key(id));
}

TEST_F(Recovery, AKeyThatCouldNotBeCheckedIsNotToldAsAWrongOne) {
  const KeyId id{key_id_.label + "-open"};
  const base::Secret wrapping(kWrappingKeyBytes);
  ASSERT_TRUE(token_->generate_open_key(id, KeyType::hmac_sha256));
  const auto wrapped = token_->wrap_open_key(id, wrapping);
  ASSERT_TRUE(wrapped);
  // The token goes away once the key is in it.
  auto& unread = control().arm("C_SignInit", Action::fail, CKR_FUNCTION_FAILED, 1, 0);
  auto& undone = control().arm("C_DestroyObject", Action::fail, CKR_FUNCTION_FAILED, 2, 0);
  const auto refused = token_->unwrap_key(*wrapped, wrapping);
  control().disarm(unread);
  control().disarm(undone);
  expect_errc(refused, Errc::unavailable);
  const std::string told(refused.error().detail());
  EXPECT_EQ(told.find("not the key"), std::string::npos) << told;
  EXPECT_NE(told.find("may be in the token"), std::string::npos) << told;
  EXPECT_TRUE(token_->destroy_key(id));
  EXPECT_TRUE(token_->destroy_open_key(id));
}

TEST_F(Recovery, AKeyThatCannotBeLookedForIsNotToldAsThere) {
  const KeyId id{key_id_.label + "-open"};
  control().arm("C_FindObjectsInit", Action::fail, CKR_FUNCTION_FAILED);
  expect_errc(token_->generate_open_key(id, KeyType::hmac_sha256), Errc::unavailable);
  ASSERT_TRUE(token_->generate_open_key(id, KeyType::hmac_sha256));
  const base::Secret wrapping(kWrappingKeyBytes);
  const auto wrapped = token_->wrap_open_key(id, wrapping);
  ASSERT_TRUE(wrapped);
  control().arm("C_FindObjectsInit", Action::fail, CKR_FUNCTION_FAILED);
  expect_errc(token_->unwrap_key(*wrapped, wrapping), Errc::unavailable);
  EXPECT_TRUE(token_->unwrap_key(*wrapped, wrapping));
  EXPECT_TRUE(token_->destroy_open_key(id));
}

TEST_F(Recovery, ATokenWithFewerSessionsThanItSaidIsUsedWithThose) {
  token_.reset();
  control()->sessions_max = 3;  // the login's, the one that open() used, and one more
  open();
  const auto opened = control().calls("C_OpenSession");
  auto& hang = control().hang("C_Sign");
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const auto again = token_->hmac(key_, base::view("x"));
        if (!again || *again != answer_) ++failed;
      }
    });
  }
  control().await_calls("C_OpenSession", opened + 2);  // the second of these was refused
  control().disarm(hang);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failed, 0) << "who meets the limit waits for another's session";
  EXPECT_EQ(token_->parallelism(), 2U);
}

TEST_F(Recovery, AKeyThatMayNotBeCopiedIsUsedWhereItIs) {
  control().arm("C_CopyObject", Action::fail, CKR_ACTION_PROHIBITED, 1, 0);
  const auto key = token_->generate_key({key_id_.label, 2}, KeyType::hmac_sha256);
  ASSERT_TRUE(key);
  EXPECT_TRUE(token_->hmac(*key, base::view("x")));
}

TEST_F(Recovery, ASelfTestThatGetsAWrongAnswerFails) {
  // The real C_Sign is skipped: the buffer stays zero, as from a module that does not do its work.
  control().arm("C_Sign", Action::fail, CKR_OK);
  expect_errc(token_->self_test(), Errc::self_test);
  // The skipped C_Sign left its operation active: whoever meets that session fails, and it is lent to nobody
  // again.
  expect_errc(token_->hmac(key_, base::view("x")), Errc::unavailable);
  EXPECT_TRUE(token_->self_test());
}

}  // namespace
}  // namespace sigillo::hsm
