// Counters that end with time: of whom, when, and that nobody gets a guess out of it.
#include <map>
#include <random>

#include "ageing.hpp"
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

using Shown = Rejection::Outcome;

struct Counters : ::testing::TestWithParam<Disk> {
  World world{GetParam()};
  void SetUp() override { world.start(); }
  void age() {
    Ageing ageing(world.engine().context());
    for (int i = 0; i < 65'536 / 64; ++i) ASSERT_TRUE(ageing.step());
  }
};

TEST_P(Counters, FailuresWithoutALiveCredentialEndAYearAfterTheLastForKnownAndUnknownAlike) {
  const auto known = world.active(1);
  ASSERT_FALSE(world.revoke_at_branch(known).outage);
  const auto unknown = world.citizen(2);
  for (const auto* citizen : {&known, &unknown}) world.fail(*citizen, 10);
  // Of the known one the last was 11 hours ago, of the other one hour.
  world.clock.advance(just_before({base::days(365).ms - base::hours(11).ms}));
  age();
  for (const auto* citizen : {&known, &unknown}) {
    EXPECT_TRUE(world.verify(*citizen, kWrong8).is(Shown::locked));
    EXPECT_EQ(world.count(*citizen), 10U);
  }
  world.clock.advance({base::hours(10).ms + 1});
  const auto before = world.store().head().seq;
  age();
  EXPECT_EQ(world.count_events(EventKind::count_ended, before), 2U)
      << "in the ledger, as every other end of a count";
  EXPECT_EQ(world.store().guards(), 0U) << "and out of memory";
  const auto one = world.verify(known, kWrong8);
  const auto other = world.verify(unknown, kWrong8);
  EXPECT_TRUE(one.is(Shown::rejected));
  EXPECT_EQ(one.text, other.text);
}

TEST_P(Counters, ThoseAtTheirLimitAreToldOnceAllWereLookedAt) {
  const auto locked = [this] {
    std::map<std::string, double> out;
    for (const auto& reading : world.engine().readings())
      if (std::string_view(reading.name) == "sigillo_counters_locked")
        out[reading.label_value] = reading.value;
    return out;
  };
  const auto known = world.active(1);
  const auto unknown = world.citizen(2);
  world.fail(known, 10);
  world.fail(unknown, 10);
  world.fail(world.active(3), 9);
  EXPECT_TRUE(locked().empty()) << "nothing is known before the first look at all of them";
  age();
  using Told = std::map<std::string, double>;
  EXPECT_EQ(locked(), (Told{{"pin", 2}, {"contacts", 0}, {"health-card", 0}}))
      << "with a PIN or without, alike";
  ASSERT_FALSE(world.revoke_at_branch(known).outage);
  world.clock.advance(base::days(365));
  age();
  EXPECT_EQ(locked().at("pin"), 1) << "that of the unknown one has ended";
}

TEST_P(Counters, AreLookedAtOnTheirCallersThreadAfterACommitToo) {
  for (unsigned i = 1; i <= 5; ++i) world.fail(world.citizen(i), 1);
  world.clock.advance(base::days(366));
  world.store().take_readers();
  age();
  EXPECT_EQ(world.store().guards(), 0U);
  EXPECT_EQ(world.store().take_readers().size(), 1U) << "the store's writer has commits to make";
}

TEST_P(Counters, TheEndIsTheSameWhetherTheCleanUpHasPassedOrNot) {
  const auto unknown = world.citizen(2);
  world.fail(unknown, 10);
  world.clock.advance(base::days(365));
  const auto seen = world.verify(unknown, kWrong8);
  ASSERT_TRUE(seen.is(Shown::rejected));
  EXPECT_EQ(seen.as<Rejection>()->attempts_remaining, 9U);
}

TEST_P(Counters, FailuresAgainstALiveCredentialNeverEndWithTime) {
  const auto citizen = world.active(1);
  world.fail(citizen, 10);
  for (int years = 0; years < 5; ++years) {
    world.clock.advance(base::days(365));
    age();
    EXPECT_TRUE(world.verify(citizen, citizen.pin).is(Shown::locked));
  }
  EXPECT_EQ(world.count(citizen), 10U);
}

TEST_P(Counters, OnesChargedBeforeTheCredentialLapsedStayAndOnlyTheOthersGo) {
  const auto citizen = world.provisional(1);
  world.fail(citizen, 4);
  world.clock.advance(base::days(60));
  world.fail(citizen, 3);
  EXPECT_EQ(world.guard(citizen).failures, 4U);
  EXPECT_EQ(world.guard(citizen).unowned, 3U);
  world.clock.advance(base::days(365));
  age();
  EXPECT_EQ(world.guard(citizen).failures, 4U);
  EXPECT_EQ(world.guard(citizen).unowned, 0U);
}

TEST_P(Counters, ContactsAndHealthCardsEndAfterThirtyDaysForKnownAndUnknownAlike) {
  const auto known = world.active(1);
  const auto unknown = world.citizen(2);
  HealthCard wrong = known.card;
  wrong.number = "80380000300099999999";
  for (const auto* citizen : {&known, &unknown}) {
    Contacts other;
    other.mobile = "+393990000000";
    other.email = "nobody@example.it";
    EXPECT_TRUE(world.recover(*citizen, other).is(Shown::rejected));
    EXPECT_TRUE(world.revoke(*citizen, wrong).is(Shown::rejected));
  }
  EXPECT_EQ(world.store().guards(), 4U);
  world.clock.advance(just_before(base::days(30)));
  age();
  EXPECT_EQ(world.store().guards(), 4U);
  world.clock.advance({1});
  age();
  EXPECT_EQ(world.store().guards(), 0U);
}

TEST_P(Counters, WhatEndedIsEndedAfterARestart) {
  if (GetParam() == Disk::memory) return;  // which lives no longer than the process
  const auto unknown = world.citizen(2);
  const auto citizen = world.active(1);
  world.fail(unknown, 7);
  world.fail(citizen, 2);
  world.clock.advance(base::days(366));
  age();
  world.restart();
  EXPECT_EQ(world.count(unknown), 0U);
  EXPECT_EQ(world.count(citizen), 2U);
}

// Whatever is done in whatever order, with any time between: no credential is guessed at more than ten times.
TEST_P(Counters, NoSequenceGetsMoreThanTheLimitAgainstOneCredential) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 dice(seed);
  const auto citizen = world.citizen(1);
  ASSERT_NE(world.request(citizen).as<PinRequested>(), nullptr);
  int evaluated = 0;
  int lives = 1;
  int most = 0;
  for (int step = 0; step < 400; ++step) {
    switch (dice() % 8) {
      case 0: {
        static constexpr int kDays[] = {1, 31, 61, 200, 366};
        world.clock.advance(base::days(kDays[dice() % std::size(kDays)]));
        break;
      }
      case 1:
        age();
        break;
      case 2:
        if (world.request(citizen).as<PinRequested>() != nullptr) {
          ++lives;
          evaluated = 0;
        }
        break;
      case 3:
        if (dice() % 4 == 0) (void)world.revoke_at_branch(citizen);
        break;
      default: {
        const bool live = is_live(world.status(citizen).state);
        const bool looked_at = world.verify(citizen, kWrong8).is(Shown::rejected);
        if (live && looked_at) most = std::max(most, ++evaluated);
        ASSERT_LE(evaluated, 10) << "step " << step;
        world.clock.advance(base::hours(1));
      }
    }
  }
  EXPECT_GT(lives, 1);
  EXPECT_GT(most, 0);
}

INSTANTIATE_TEST_SUITE_P(Disks, Counters, ::testing::Values(Disk::memory, Disk::sqlcipher),
                         [](const auto& with) {
                           return with.param == Disk::memory ? "memory" : "sqlcipher";
                         });

}  // namespace
}  // namespace sigillo::appliance::testing
