// Figures by channel: each channel's own, none lost, and kept whatever officers do to it.
#include "channel_figures.hpp"

#include <thread>

#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

using Shown = Rejection::Outcome;

TEST(ChannelOutcomes, FromManyThreadsNoneIsLost) {
  Outcomes outcomes;
  std::atomic<int> awaited{2};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (--awaited; awaited > 0;) {  // a thread that sleeps wakes when the other is done
      }
      for (int i = 0; i < 5'000'000; ++i) {
        outcomes.add(EventOutcome::rejected);
        outcomes.add(i % 2 == 0 ? EventOutcome::verified : EventOutcome::delayed);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(outcomes.of(EventOutcome::rejected), 10'000'000U);
  EXPECT_EQ(outcomes.of(EventOutcome::delayed), 5'000'000U);
  EXPECT_EQ(outcomes.evaluated(), 15'000'000U) << "who was turned away was not compared";
}

struct ByChannel : ::testing::Test {
  World world;
  void SetUp() override { world.start(); }
  double of(const std::string& channel, const std::string& outcome) {
    for (const auto& one : world.engine().readings()) {
      if (std::string_view(one.name) == "sigillo_channel_outcomes_total" && one.channel == channel &&
          one.label_value == outcome)
        return one.value;
    }
    return -1;
  }
};

TEST_F(ByChannel, EachChannelHasItsOwnAndTogetherTheyAreAll) {
  const auto citizen = world.active(1);
  for (int i = 0; i < 3; ++i) world.verify(citizen, kWrong8);
  EXPECT_TRUE(world.verify(citizen, citizen.pin).is(Shown::delayed));
  EXPECT_EQ(of("portal:portal", "verified"), 1) << "the activation";
  EXPECT_EQ(of("portal:portal", "rejected"), 3);
  EXPECT_EQ(of("portal:portal", "delayed"), 1);
  EXPECT_EQ(of("portal:portal", "locked"), -1) << "not told before there is one";
  EXPECT_EQ(of("branch:branch", "rejected"), 0) << "told from the beginning, so that it is seen to rise";
  double all = 0, channels = 0;
  for (const auto& one : world.engine().readings()) {
    if (std::string_view(one.name) == "sigillo_outcomes_total") all += one.value;
    if (std::string_view(one.name) == "sigillo_channel_outcomes_total") channels += one.value;
  }
  EXPECT_EQ(all, channels);
}

TEST_F(ByChannel, WhatOfficersChangeOfAChannelLeavesItsFigures) {
  const auto citizen = world.active(1);
  world.verify(citizen, kWrong8);
  world.change(Role::portal, [](Channel& channel) { channel.status = ChannelStatus::suspended; });
  EXPECT_EQ(of("portal:portal", "rejected"), 1);
  world.change(Role::portal, [](Channel& channel) { channel.status = ChannelStatus::active; });
  world.verify(citizen, kWrong8);
  EXPECT_EQ(of("portal:portal", "rejected"), 2);
}

}  // namespace
}  // namespace sigillo::appliance::testing
