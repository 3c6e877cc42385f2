// What makes the appliance ready again after the HSM has failed, and what the housekeeping asks it meanwhile.
#include "hsm_canary.hpp"

#include <base/log.hpp>

#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

using Call = hsm::FakeToken::Call;

struct HsmCanaryTest : ::testing::Test {
  World world;
  void SetUp() override { world.start(); }
  HsmCanary canary(base::Duration interval = base::hours(1)) {
    return {world.engine().context(), world.token, interval};
  }
  bool ready() { return world.engine().readiness().ready; }
};

TEST_F(HsmCanaryTest, WhereTheMacFailsAndRandomWorksItIsNotReadyUntilTheMacWorks) {
  auto asked = canary();
  asked.look();
  const auto citizen = world.active(1);
  world.token.fail(Call::hmac, 1, hsm::Errc::unavailable);
  EXPECT_EQ(world.verify(citizen, citizen.pin).outage, Outage::hsm_unavailable);
  EXPECT_FALSE(ready());
  ASSERT_TRUE(base::sync_wait(world.dispatcher().random(8)));
  EXPECT_FALSE(ready()) << "random says nothing of the MAC key";
  for (std::uint64_t broken = 1; broken <= 2; ++broken) {  // the index key, then the verifier's
    world.token.fail(Call::hmac, broken, hsm::Errc::unavailable);
    asked.look();
    EXPECT_FALSE(ready()) << broken;
  }
  asked.look();
  EXPECT_TRUE(ready());
}

TEST_F(HsmCanaryTest, WhateverElseFailedHasToWorkAgainToo) {
  auto asked = canary();
  const auto citizen = world.active(1);
  for (const auto call : {Call::sign, Call::random}) {
    SCOPED_TRACE(static_cast<int>(call));
    world.token.fail(call, 1, hsm::Errc::unavailable);
    if (call == Call::sign)
      EXPECT_TRUE(world.verify(citizen, citizen.pin, true).outage);
    else
      EXPECT_TRUE(world.request(world.citizen(2)).outage);
    EXPECT_FALSE(ready());
    world.token.fail(call, 1, hsm::Errc::unavailable);
    asked.look();
    EXPECT_FALSE(ready());
    asked.look();
    EXPECT_TRUE(ready());
  }
}

TEST_F(HsmCanaryTest, AKeyThatIsGoneFromTheTokenIsNotReadyForAsLongAsItIsGone) {
  auto asked = canary();
  asked.look();
  const auto citizen = world.active(1);
  EXPECT_TRUE(ready());
  ASSERT_TRUE(world.token.destroy_key({KeyLabels::verifier, 1}));
  EXPECT_EQ(world.verify(citizen, citizen.pin).outage, Outage::hsm_unavailable);
  EXPECT_FALSE(ready());
  for (int round = 0; round < 3; ++round) {
    asked.look();
    EXPECT_FALSE(ready());
  }
}

TEST_F(HsmCanaryTest, AnIdleAppliancesKeyThatIsGoneIsNoticedAtTheNextLookOfItsTimer) {
  auto asked = canary({0});
  asked.look();
  EXPECT_TRUE(ready());
  ASSERT_TRUE(world.token.destroy_key({KeyLabels::index, 1}));
  asked.look();
  EXPECT_FALSE(ready());
}

TEST_F(HsmCanaryTest, AMacThatIsNotTheOneItWasIsADeviceThatLies) {
  auto asked = canary({0});
  asked.look();
  EXPECT_TRUE(ready());
  world.held.lie(true);
  ::testing::internal::CaptureStderr();
  for (int round = 0; round < 3; ++round) {
    asked.look();
    EXPECT_FALSE(ready()) << "its calls succeed, and are wrong";
  }
  base::log::flush();
  const auto log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("error hsm-mac-differs key=index"), std::string::npos) << log;
  EXPECT_EQ(log.find("hsm-mac-differs"), log.rfind("hsm-mac-differs")) << "once and not each second";
  world.held.lie(false);
  asked.look();
  EXPECT_TRUE(ready());
}

TEST_F(HsmCanaryTest, WhileAllIsWellItAsksOnItsTimerAndAVerificationMakesTwoCallsAsBefore) {
  auto asked = canary();
  asked.look();
  const auto citizen = world.active(1);
  const auto before = world.dispatcher().calls();
  for (int i = 0; i < 3; ++i) asked.look();
  EXPECT_EQ(world.dispatcher().calls(), before);
  world.verify(citizen, citizen.pin);
  asked.look();
  EXPECT_EQ(world.dispatcher().calls(), before + 2);
}

}  // namespace
}  // namespace sigillo::appliance::testing
