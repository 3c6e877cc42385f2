// A call in the module that does not come back, and what goes on beside it.
#include <thread>

#include "recovery.hpp"

namespace sigillo::hsm {
namespace {

TEST_F(Recovery, AHangingCallLeavesTheOtherSessionsWorking) {
  control().hang("C_Sign");
  std::thread hung([&] { EXPECT_TRUE(token_->hmac(key_, base::view("x"))); });
  control().await_hanging();
  base::Bytes sample(8);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(token_->random(sample));
  control().clear();
  hung.join();
}

TEST_F(Recovery, WhileACallHangsThatIsInTheWayOfALostLoginThatIsTold) {
  control().hang("C_Sign");
  std::thread hung([&] { EXPECT_TRUE(token_->hmac(key_, base::view("x"))); });
  control().await_hanging();
  base::Bytes sample(8);
  EXPECT_TRUE(token_->random(sample));
  EXPECT_EQ(token_->blocked_for().ms, 0) << "it is in nobody's way";
  control().arm("C_GenerateRandom", Action::fail, CKR_SESSION_HANDLE_INVALID);
  expect_errc(token_->random(sample), Errc::unavailable);
  EXPECT_EQ(token_->state(), TokenState::away);
  const auto before = token_->blocked_for().ms;
  EXPECT_GE(before, options().session_wait.ms);
  while (token_->blocked_for().ms < 2 * before) std::this_thread::yield();  // for as long as it hangs
  control().clear();
  hung.join();
  EXPECT_TRUE(comes_back());
  EXPECT_EQ(token_->blocked_for().ms, 0);
}

TEST_F(Recovery, WhileOneCallHangsAndAnotherFailedTheSessionsThatComeBackAreLent) {
  token_.reset();
  auto with = options();
  with.sessions_max = 3;
  open(with);
  base::Bytes sample(8);
  control().hang("C_Sign");
  std::thread hung([&] { EXPECT_TRUE(token_->hmac(key_, base::view("x"))); });
  control().await_hanging(1);
  auto& slow = control().hang("C_GenerateRandom");
  std::thread second([&] { EXPECT_TRUE(token_->random(sample)); });
  control().await_hanging(2);
  control().arm("C_FindObjectsInit", Action::fail, CKR_DATA_LEN_RANGE);
  expect_errc(token_->list_keys(), Errc::caller_fault);  // its session is parked: there is none left
  expect_errc(token_->list_keys(), Errc::unavailable);
  EXPECT_GE(token_->blocked_for().ms, options().session_wait.ms);
  control().disarm(slow);
  second.join();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(token_->list_keys()) << "one is idle, and good";
  EXPECT_EQ(token_->blocked_for().ms, 0);
  control().clear();
  hung.join();
  EXPECT_TRUE(token_->list_keys());
}

// What nobody leases a session for keeps everybody out just the same.
class RecoveryThatHangs : public Recovery, public ::testing::WithParamInterface<const char*> {
 protected:
  // True once it is told, for as long as anybody waits for a session.
  bool told() const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (token_->blocked_for().ms < options().session_wait.ms) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::yield();
    }
    return true;
  }
};

TEST_P(RecoveryThatHangs, OfALostLoginIsTold) {
  control().hang(GetParam());
  control().arm("C_GenerateRandom", Action::fail, CKR_SESSION_HANDLE_INVALID);
  std::thread hung([&] {
    base::Bytes sample(8);
    EXPECT_TRUE(token_->random(sample));
  });
  control().await_hanging();
  EXPECT_TRUE(told());
  control().clear();
  hung.join();
  EXPECT_EQ(token_->blocked_for().ms, 0);
}

TEST_P(RecoveryThatHangs, OfADeviceThatWasAwayIsTold) {
  control().hang(GetParam());
  control().arm("C_GenerateRandom", Action::fail, CKR_DEVICE_REMOVED);
  base::Bytes sample(8);
  expect_errc(token_->random(sample), Errc::unavailable);
  control().await_hanging();
  EXPECT_TRUE(told());
  control().clear();
  EXPECT_TRUE(comes_back());
  EXPECT_EQ(token_->blocked_for().ms, 0);
}

INSTANTIATE_TEST_SUITE_P(Hangs, RecoveryThatHangs,
                         ::testing::Values("C_CloseSession", "C_GetSlotList", "C_OpenSession", "C_Login"),
                         [](const auto& at) { return std::string(at.param); });

}  // namespace
}  // namespace sigillo::hsm
