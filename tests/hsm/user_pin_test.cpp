// The user's PIN, changed by the user: which tries are made, and which are not.
#include <hsm/token_setup.hpp>

#include "recovery.hpp"

namespace sigillo::hsm {
namespace {

class UserPin : public Recovery {
 protected:
  void SetUp() override {
    testing::softhsm_options();  // the token, initialised
    control().clear();
  }
  void TearDown() override { control().clear(); }
  static TokenPlace place() { return {SIGILLO_FAULT_MODULE, testing::kTokenLabel, "", ""}; }
  static base::Secret other() { return base::Secret(base::view("another-pin-5678")); }
};

TEST_F(UserPin, ItIsChangedAndBackAndTheOtherOneIsRefused) {
  ASSERT_TRUE(change_user_pin(place(), testing::user_pin(), other()));
  EXPECT_EQ(opens_with(place(), other()).value(), true);
  EXPECT_EQ(opens_with(place(), testing::user_pin()).value(), false);
  expect_errc(change_user_pin(place(), testing::user_pin(), other()), Errc::credential);
  ASSERT_TRUE(change_user_pin(place(), other(), testing::user_pin()));
}

TEST_F(UserPin, TheLastTryIsKeptUnlessItIsKnownToBeTheRightOne) {
  for (const CK_FLAGS flag : {CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED}) {
    control()->token_flags = flag;
    const auto before = control().calls("C_Login");
    expect_errc(opens_with(place(), testing::user_pin()), Errc::credential);
    expect_errc(check_pin_can_be_set(place(), 32), Errc::credential);
    expect_errc(change_user_pin(place(), testing::user_pin(), other()), Errc::credential);
    EXPECT_EQ(control().calls("C_Login"), before);
  }
  // A token whose flag does not go with the right PIN: the change is made, and its proof is refused.
  control()->token_flags = CKF_USER_PIN_FINAL_TRY;
  expect_errc(change_user_pin(place(), testing::user_pin(), other(), LastTry::given), Errc::credential);
  control()->token_flags = 0;
  EXPECT_EQ(opens_with(place(), other()).value(), true);
  ASSERT_TRUE(change_user_pin(place(), other(), testing::user_pin()));
}

TEST_F(UserPin, AWrongPinIsWhateverTheModuleCallsIt) {
  for (const CK_RV rv : {CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE}) {
    auto& rule = control().arm("C_Login", Action::fail, rv);
    EXPECT_EQ(opens_with(place(), testing::user_pin()).value(), false) << rv;
    control().disarm(rule);
  }
  control().arm("C_Login", Action::fail, CKR_PIN_LOCKED);
  expect_errc(opens_with(place(), testing::user_pin()), Errc::credential);
}

TEST_F(UserPin, ATokenThatTakesNoPinFromHereIsToldBeforeAnybodyWritesAPaper) {
  EXPECT_FALSE(check_pin_can_be_set(place(), 32).value().empty()) << "its serial number";
  for (const CK_FLAGS flag : {CKF_WRITE_PROTECTED, CKF_PROTECTED_AUTHENTICATION_PATH}) {
    control()->token_flags = flag;
    expect_errc(check_pin_can_be_set(place(), 32), Errc::caller_fault);
  }
  control()->token_flags = 0;
  for (const std::size_t length : {std::size_t{1}, std::size_t{4000}})
    expect_errc(check_pin_can_be_set(place(), length), Errc::caller_fault);
}

}  // namespace
}  // namespace sigillo::hsm
