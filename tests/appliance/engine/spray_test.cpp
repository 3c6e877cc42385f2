// Many credentials, few tries at each, one channel: what raises the alarm, and what must not.
#include <base/log.hpp>

#include <thread>

#include "channel_figures.hpp"
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

using Shown = Rejection::Outcome;

struct Sprays : ::testing::Test {
  World world;
  const base::Duration window = world.config.spray.window;

  void start(std::uint32_t misses, std::uint32_t share) {
    world.config.spray.misses = misses;
    world.config.spray.share = share;
    world.start();
    next_window();
  }
  void next_window() { world.clock.set({(world.clock.now().ms / window.ms + 1) * window.ms}); }
  void guess_once_at(unsigned from, unsigned to) {
    for (unsigned n = from; n < to; ++n) {
      const auto seen = world.verify(world.citizen(n), kWrong8);
      ASSERT_TRUE(seen.is(Shown::rejected)) << n << ' ' << describe(seen);
    }
  }
  double alarms() { return *world.reading("sigillo_alarms_total", "spray"); }
};

TEST_F(Sprays, FiftyCredentialsGuessedAtOnceEachAreOneAlarmOfTheWindowAndTheChannel) {
  world.start();
  next_window();
  const auto citizen = world.active(7000);
  next_window();
  ::testing::internal::CaptureStderr();
  guess_once_at(0, 49);
  EXPECT_EQ(alarms(), 0);
  guess_once_at(49, 200);
  base::log::flush();
  const auto log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(alarms(), 1);
  const std::string line = "alarm kind=spray channel=portal:portal misses=50 right=0";
  EXPECT_NE(log.find(line), std::string::npos) << log;
  EXPECT_EQ(log.find(line), log.rfind(line)) << "once and not with each guess";
  EXPECT_EQ(world.count_events(EventKind::spray), 1U);
  for (const auto& entry : world.entries()) {
    if (entry.event.kind != static_cast<std::uint16_t>(EventKind::spray)) continue;
    EXPECT_EQ(entry.event.subject, SubjectIndex{}) << "it is about nobody";
    EXPECT_EQ(entry.event.channel, "portal:portal");
    EXPECT_EQ(entry.event.reference, "50:0");
  }
  EXPECT_NE(world.verify(citizen, citizen.pin).as<Verified>(), nullptr) << "it keeps nobody away";
  next_window();
  guess_once_at(300, 349);
  EXPECT_EQ(alarms(), 1);
  guess_once_at(349, 351);
  EXPECT_EQ(alarms(), 2) << "the next window has its own";
}

TEST_F(Sprays, CitizensWhoSlipAndComeBackAreNone) {
  start(2, 1);
  for (unsigned n = 0; n < 10; ++n) {
    const auto citizen = world.active(n);
    next_window();
    ASSERT_TRUE(world.verify(citizen, kWrong8).is(Shown::rejected));
    ASSERT_TRUE(world.verify(citizen, kWrong8).is(Shown::rejected));
    world.clock.advance(base::minutes(1));
    ASSERT_NE(world.verify(citizen, citizen.pin).as<Verified>(), nullptr);
    guess_once_at(500 + n, 501 + n);  // one that nobody makes good
    EXPECT_EQ(alarms(), 0) << n;
  }
  guess_once_at(600, 601);
  EXPECT_EQ(alarms(), 1) << "two that stand";
}

TEST_F(Sprays, WhoComesBackAcrossTheEndOfAWindowMadeHisMissGood) {
  start(2, 1);
  const auto citizen = world.active(1);
  next_window();
  world.clock.advance(just_before(window));
  ASSERT_TRUE(world.verify(citizen, kWrong8).is(Shown::rejected));
  world.clock.advance(base::minutes(1));
  ASSERT_NE(world.verify(citizen, citizen.pin).as<Verified>(), nullptr);
  guess_once_at(10, 12);
  EXPECT_EQ(alarms(), 0);
}

TEST_F(Sprays, WhoWasSprayedAndComesHoursLaterMakesNoMissGood) {
  start(2, 1);
  const auto citizen = world.active(1);
  ASSERT_TRUE(world.verify(citizen, kWrong8).is(Shown::rejected));
  world.clock.advance(base::hours(3));
  next_window();
  guess_once_at(10, 11);
  ASSERT_NE(world.verify(citizen, citizen.pin).as<Verified>(), nullptr);
  guess_once_at(11, 12);
  EXPECT_EQ(alarms(), 1) << "or a spray hides behind those it sprayed before";
}

TEST_F(Sprays, OneCredentialGuessedAtUpToItsLimitIsNone) {
  world.config.policy.guess.delay_from = 11;
  start(2, 1);
  const auto citizen = world.active(1);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(world.verify(citizen, kWrong8).is(Shown::rejected));
  EXPECT_TRUE(world.verify(citizen, kWrong8).is(Shown::locked));
  EXPECT_EQ(alarms(), 0);
}

TEST_F(Sprays, TheSameCredentialsOnceMoreADayLaterAreOneAgain) {
  start(20, 1);
  for (int round = 1; round <= 3; ++round) {  // to counts of 1, 2, 3: no more than a slip or two
    guess_once_at(0, 19);
    EXPECT_EQ(alarms(), round - 1);
    guess_once_at(19, 20);
    EXPECT_EQ(alarms(), round);
    world.clock.advance(base::days(1));
  }
}

TEST_F(Sprays, WhoIsUnknownCountsAsWhoIsKnown) {
  start(4, 1);
  std::vector<Citizen> known, unknown;
  for (unsigned n = 0; n < 4; ++n) {
    known.push_back(world.active(n));
    unknown.push_back(world.citizen(100 + n));
  }
  for (const auto* citizens : {&known, &unknown}) {
    next_window();
    const auto before = alarms();
    for (std::size_t n = 0; n < 4; ++n) {
      EXPECT_EQ(alarms(), before) << n;
      EXPECT_TRUE(world.verify((*citizens)[n], kWrong8).is(Shown::rejected));
    }
    EXPECT_EQ(alarms(), before + 1);
  }
}

TEST_F(Sprays, APinOfOnesOwnHidesNoMissOfOthers) {
  start(4, 1);
  const auto own = world.active(1);
  const auto half = world.provisional(2);
  next_window();
  ASSERT_TRUE(world.verify(half, kWrong16).is(Shown::rejected));  // the first of the four that stand
  for (unsigned n = 10; n < 13; ++n) {
    EXPECT_EQ(alarms(), 0) << n;
    ASSERT_TRUE(world.verify(own, kWrong8).is(Shown::rejected));
    ASSERT_NE(world.verify(own, own.pin).as<Verified>(), nullptr);
    ASSERT_NE(world.verify(half, half.first).as<Verified>(), nullptr) << "right, and the count stays";
    guess_once_at(n, n + 1);
  }
  EXPECT_EQ(alarms(), 1);
}

TEST_F(Sprays, WhereManyAreRightItTakesTheirShare) {
  start(2, 50);
  const auto citizen = world.active(1);
  next_window();
  for (int i = 0; i < 10; ++i) ASSERT_NE(world.verify(citizen, citizen.pin).as<Verified>(), nullptr);
  guess_once_at(10, 14);
  EXPECT_EQ(alarms(), 0);
  guess_once_at(14, 15);
  EXPECT_EQ(alarms(), 1) << "five for ten that were right";
}

TEST_F(Sprays, SwitchedOffItRaisesNone) {
  world.config.spray.on = false;
  start(1, 1);
  guess_once_at(0, 20);
  EXPECT_EQ(alarms(), 0);
  EXPECT_EQ(world.count_events(EventKind::spray), 0U);
  EXPECT_EQ(world.reading("sigillo_channel_outcomes_total", "rejected"), 20) << "the figures stay";
}

TEST_F(Sprays, AWrongContactOrHealthCardIsNone) {
  start(1, 1);
  const auto citizen = world.active(1);
  Contacts wrong;
  wrong.mobile = "+393330000000";
  wrong.email = "nobody@example.it";
  EXPECT_TRUE(world.recover(citizen, wrong).is(Shown::rejected));
  EXPECT_TRUE(world.revoke(citizen, {"80380000300012999999", {2190, 5, 31}}).is(Shown::rejected));
  EXPECT_EQ(alarms(), 0);
}

TEST(SprayWatch, FromManyThreadsOneAlarmAWindowAtTheVeryMissThatIsDue) {
  constexpr int kThreads = 2, kEach = 200'000, kWindows = 5;
  SprayWatch watch;
  SprayAlarm alarm;
  alarm.misses = kThreads * kEach;  // only the last of all is due
  alarm.share = 1;
  for (int number = 1; number <= kWindows; ++number) {
    const base::Instant now{alarm.window.ms * number};
    std::atomic<int> raised{0};
    std::atomic<int> awaited{kThreads};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (--awaited; awaited > 0;) {  // a thread that sleeps wakes when the other is done
        }
        for (int i = 0; i < kEach; ++i) {
          using enum SprayWatch::Pin;
          if (watch.note(right, now, alarm)) raised += 100;
          if (const auto seen = watch.note(opens_miss, now, alarm)) {
            EXPECT_EQ(seen->standing, kThreads * kEach);
            ++raised;
          }
        }
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(raised, 1) << number;
    EXPECT_FALSE(watch.note(SprayWatch::Pin::opens_miss, now, alarm));
  }
}

TEST(SprayWatch, AnAnswerThatComesLateBeginsNoWindowAnew) {
  SprayWatch watch;
  SprayAlarm alarm;
  alarm.misses = 1;
  const base::Instant now{alarm.window.ms * 5};
  EXPECT_TRUE(watch.note(SprayWatch::Pin::opens_miss, now, alarm));
  EXPECT_FALSE(watch.note(SprayWatch::Pin::opens_miss, now - base::Duration{1}, alarm));
  EXPECT_FALSE(watch.note(SprayWatch::Pin::opens_miss, now, alarm));
}

}  // namespace
}  // namespace sigillo::appliance::testing
