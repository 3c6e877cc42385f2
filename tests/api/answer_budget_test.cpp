// How much of large answers may wait for those who asked for them.
#include <gtest/gtest.h>

#include "answer_budget.hpp"

namespace sigillo::api::test {
namespace {

TEST(AnswerBudget_, AChannelHasItsOwnBoundAndAllHaveOne) {
  AnswerBudget budget(20, 50);
  std::vector<AnswerBudget::Share> held;
  const auto take = [&](const char* channel, std::size_t bytes) {
    auto share = budget.take(channel, bytes);
    if (!share) return false;
    held.push_back(std::move(*share));
    return true;
  };
  EXPECT_TRUE(take("a", 20));
  EXPECT_FALSE(take("a", 1));
  EXPECT_TRUE(take("b", 20));
  EXPECT_TRUE(take("c", 8));
  EXPECT_FALSE(take("c", 8));  // by all of them
  EXPECT_EQ(budget.held(), 48U);
  held.erase(held.begin());
  EXPECT_TRUE(take("c", 8));
  held.clear();
  EXPECT_EQ(budget.held(), 0U);
}

TEST(AnswerBudget_, WhoHasNoneIsGivenOneHoweverMuchTheOthersHold) {
  AnswerBudget budget(20, 20);
  const auto large = budget.take("a", 30);
  EXPECT_TRUE(large);
  EXPECT_FALSE(budget.take("a", 1));
  EXPECT_TRUE(budget.take("b", 30));
}

TEST(AnswerBudget_, WhatAnAnswerCameToCounts) {
  AnswerBudget budget(20, 20);
  auto share = budget.take("a", 20);
  ASSERT_TRUE(share);
  share->resize(5);
  EXPECT_TRUE(budget.take("a", 15));
  EXPECT_EQ(budget.held(), 5U);
}

TEST(AnswerBudget_, PagesLeasesAndConversionsWithTheirClaimsAreLarge) {
  EXPECT_EQ(large_answer(appliance::GetKeys{}), 0U);
  EXPECT_EQ(large_answer(appliance::DecideConversion{}), 0U);  // it tells no claims
  EXPECT_GT(large_answer(appliance::GetConversion{}), 100'000U);
  EXPECT_GT(large_answer(appliance::SubmitEvidence{}), 100'000U);
  EXPECT_GT(large_answer(appliance::ReadLedger{.after = 0, .limit = 1000}), 900'000U);
  EXPECT_GT(large_answer(appliance::LeaseDeliveries{100}), 300'000U);
}

}  // namespace
}  // namespace sigillo::api::test
