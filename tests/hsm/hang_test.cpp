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

}  // namespace
}  // namespace sigillo::hsm
