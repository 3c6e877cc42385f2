// Custodians at the desk, one after the other.
#include <gtest/gtest.h>

#include <appliance/share_desk.hpp>

namespace sigillo::appliance {
namespace {

constexpr base::Instant kNow{1'800'000'000'000};

struct ShareDeskTest : testing::Test {
  base::SplitPin split = std::move(*base::split_new_pin("token", 3, 5));
  ShareDesk desk{"token"};
  ShareVerdict bring(std::size_t which, base::Instant at = kNow) {
    return desk.add(split.shares[which].text(), at);
  }
};

TEST_F(ShareDeskTest, TheLastOfEnoughGivesThePin) {
  EXPECT_FALSE(bring(4).pin);
  const auto second = bring(0);
  EXPECT_TRUE(second.taken);
  EXPECT_FALSE(second.pin);
  EXPECT_EQ(second.have, 2U);
  EXPECT_EQ(second.needed, 3U);
  const auto last = bring(2);
  ASSERT_TRUE(last.pin);
  EXPECT_TRUE(base::constant_time_equal(*last.pin, split.pin));
  EXPECT_EQ(bring(1).have, 1U);  // the others are gone
}

TEST_F(ShareDeskTest, OneCustodianTwiceIsOne) {
  EXPECT_TRUE(bring(0).taken);
  const auto again = bring(0);
  EXPECT_FALSE(again.taken);
  EXPECT_EQ(again.have, 1U);
}

TEST_F(ShareDeskTest, AnotherAppliancesShareIsNotTaken) {
  const auto other = base::split_new_pin("another", 3, 5);
  EXPECT_FALSE(desk.add(other->shares[0].text(), kNow).taken);
  EXPECT_TRUE(bring(0).taken);
}

TEST_F(ShareDeskTest, WhatIsMistypedIsNoShareAndCostsNothing) {
  EXPECT_TRUE(bring(0).taken);
  const auto typed = desk.add(base::Secret(base::view("ABCD EFGH")), kNow);
  EXPECT_FALSE(typed.taken);
  EXPECT_FALSE(typed.sentence.empty());
  EXPECT_EQ(typed.have, 1U);
}

TEST_F(ShareDeskTest, AfterTenMinutesTheyBeginAgain) {
  EXPECT_EQ(bring(0).have, 1U);
  EXPECT_EQ(bring(1, kNow + base::minutes(9)).have, 2U);
  EXPECT_EQ(bring(2, kNow + base::minutes(10)).have, 1U);
}

TEST_F(ShareDeskTest, AWipedDeskHasNone) {
  EXPECT_EQ(bring(0).have, 1U);
  desk.wipe();
  EXPECT_EQ(bring(1).have, 1U);
}

}  // namespace
}  // namespace sigillo::appliance
