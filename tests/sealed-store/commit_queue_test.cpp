// What rides a commit together, and that nobody waits for company who has none to expect.
#include <gtest/gtest.h>

#include <thread>

#include "commit_queue.hpp"

namespace sigillo::sealed_store {
namespace {

using Wait = CommitQueue::Wait;

Operation charge() {
  Operation out;
  out.expects.emplace();
  return out;
}
Operation settle() {
  Operation out;
  out.changes.witnessed = false;
  return out;
}

struct Commits : ::testing::Test {
  // Longer than a test: what is held is held until it is due.
  CommitQueue queue{WitnessMode::strict, std::chrono::hours(1)};

  std::size_t take() { return queue.take(Wait::for_work)->operations.size(); }
};

TEST_F(Commits, AChargeWhileTheWitnessIsIdleIsTakenAtOnce) {
  ASSERT_TRUE(queue.push(charge()));
  EXPECT_EQ(take(), 1U);
}

TEST_F(Commits, OnesThatWaitForTheWitnessAreTakenTogetherWhenItIsIdle) {
  queue.witness(true);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(queue.push(charge()));
    EXPECT_FALSE(queue.due()) << i;
  }
  queue.witness(false);
  EXPECT_EQ(take(), 5U);
}

TEST_F(Commits, AWriterThatWaitsForCompanyIsWokenByWhatMakesItDue) {
  queue.witness(true);
  std::size_t taken = 0;
  std::thread writer([&] { taken = take(); });
  ASSERT_TRUE(queue.push(charge()));
  queue.witness(false);
  writer.join();
  EXPECT_EQ(taken, 1U);
}

TEST_F(Commits, ASettleThatIsAloneIsTakenAtOnce) {
  queue.charged();
  queue.came_back();
  ASSERT_TRUE(queue.push(settle()));
  EXPECT_EQ(take(), 1U);
}

TEST_F(Commits, SettlesAreTakenTogetherOnceTheLastAttemptCameBackAndChargesRideWithThem) {
  for (int i = 0; i < 3; ++i) queue.charged();
  queue.witness(true);
  ASSERT_TRUE(queue.push(charge()));
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(queue.due()) << i;
    queue.came_back();
    ASSERT_TRUE(queue.push(settle()));
  }
  EXPECT_TRUE(queue.due());
  EXPECT_EQ(take(), 4U);
}

TEST_F(Commits, AnAttemptOfBeforeTheStoreWasOpenedAnewIsNotCounted) {
  queue.came_back();
  queue.charged();
  queue.witness(true);
  ASSERT_TRUE(queue.push(settle()));
  EXPECT_FALSE(queue.due());
}

TEST_F(Commits, CompanyThatDoesNotComeIsNotWaitedForForever) {
  CommitQueue bounded{WitnessMode::strict};
  bounded.witness(true);
  bounded.charged();  // and hangs
  ASSERT_TRUE(bounded.push(settle()));
  EXPECT_EQ(bounded.take(Wait::for_work)->operations.size(), 1U);
  ASSERT_TRUE(bounded.push(charge()));
  EXPECT_EQ(bounded.take(Wait::for_work)->operations.size(), 1U);
}

TEST_F(Commits, ARefundWakesTheWriterAndIsKeptWhileTheDiskIsAway) {
  queue.push(Refund{});
  const auto taken = queue.take(Wait::for_work);
  EXPECT_TRUE(taken->work);
  EXPECT_TRUE(taken->operations.empty());
  EXPECT_TRUE(queue.owes());
  EXPECT_EQ(queue.take_refunds().size(), 1U);
  EXPECT_FALSE(queue.owes());
}

TEST_F(Commits, WhatWasPushedBeforeTheEndIsTakenAndNothingAfterIt) {
  queue.witness(true);
  ASSERT_TRUE(queue.push(charge()));
  queue.close();
  auto late = settle();
  EXPECT_TRUE(queue.push(std::move(late)).error().is(Errc::unavailable));
  EXPECT_EQ(take(), 1U);
  EXPECT_FALSE(queue.take(Wait::for_work));
}

TEST_F(Commits, InIntervalModeNobodyIsHeld) {
  CommitQueue interval{WitnessMode::interval, std::chrono::hours(1)};
  interval.witness(true);
  interval.charged();
  ASSERT_TRUE(interval.push(charge()));
  EXPECT_EQ(interval.take(Wait::for_work)->operations.size(), 1U);
}

}  // namespace
}  // namespace sigillo::sealed_store
