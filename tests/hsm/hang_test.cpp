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

}  // namespace
}  // namespace sigillo::hsm
