// The guess limit, rule by rule, each at its edge.
#include "notices.hpp"
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

using Shown = Rejection::Outcome;

struct Guesses : ::testing::Test {
  World world;
  void SetUp() override { world.start(); }
};

TEST_F(Guesses, FromTheThirdOnADelayDoublesAndTheTenthLocks) {
  const auto citizen = world.active(1);
  std::int64_t delay = 30;
  for (std::uint32_t n = 1; n <= 10; ++n) {
    const auto wrong = world.verify(citizen, kWrong8);
    ASSERT_TRUE(wrong.is(Shown::rejected)) << n << ' ' << describe(wrong);
    EXPECT_EQ(wrong.as<Rejection>()->attempts_remaining, 10 - n);
    if (n < 3 || n == 10) continue;
    const auto early = world.verify(citizen, citizen.pin);  // even the right one is not looked at
    ASSERT_TRUE(early.is(Shown::delayed)) << n;
    EXPECT_EQ(early.as<Rejection>()->retry_after_s, delay);
    world.clock.advance({delay * 1000 - 1});
    EXPECT_TRUE(world.verify(citizen, citizen.pin).is(Shown::delayed)) << n;
    world.clock.advance({1});
    delay *= 2;
  }
  EXPECT_EQ(world.count(citizen), 10U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(world.verify(citizen, citizen.pin).is(Shown::locked));
    world.clock.advance(base::days(40));
  }
  EXPECT_EQ(world.count(citizen), 10U) << "what is not evaluated is not charged";
  EXPECT_TRUE(world.status(citizen).locked);
}

TEST(GuessLimits, ADelayIsNeverMoreThanTheLongestHoweverLongTheFirst) {
  const base::Instant last{1'780'000'000'000};
  for (const auto first : {base::seconds(1), base::days(7), base::days(36'500)}) {
    for (std::uint16_t failures = 3; failures < 60; ++failures) {
      const guard::Limits limits{
          .limit = 100, .delay_from = 3, .delay_first = first, .delay_max = base::days(36'500)};
      const auto view = guard::look({.failures = failures, .last = last}, limits, last);
      ASSERT_TRUE(view.delayed_until) << failures;
      EXPECT_GE(*view.delayed_until, last + first) << failures;
      EXPECT_LE(*view.delayed_until, last + limits.delay_max) << failures;
    }
  }
}

TEST_F(Guesses, ADelayThatEndsBetweenLookAndAnswerIsToldAsOneSecondAndNeverNone) {
  int seen = 0;
  for (unsigned n = 1; n <= 8; ++n) {       // wherever in the call the clock goes on
    world.clock.advance(base::seconds(1));  // past what the ledger was told
    const auto citizen = world.active(n);
    for (int i = 0; i < 3; ++i) world.verify(citizen, kWrong8);
    world.clock.advance(just_before(base::seconds(30)));
    world.store().tick_at_head(n, world.clock.now() + base::Duration{1});
    const auto answer = world.verify(citizen, citizen.pin);
    world.store().tick_at_head(0);
    if (!answer.is(Shown::delayed)) continue;
    ++seen;
    EXPECT_EQ(answer.as<Rejection>()->retry_after_s, 1) << n;
  }
  EXPECT_GT(seen, 0);
}

TEST_F(Guesses, AtTheMomentThatADeskReadsTheDelayIsOver) {
  const auto citizen = world.active(1);
  world.clock.advance({1});  // no whole second
  for (int i = 0; i < 3; ++i) world.verify(citizen, kWrong8);
  const auto until = world.status(citizen).delayed_until;
  ASSERT_TRUE(until);
  const auto told = base::parse_rfc3339(base::to_rfc3339(*until));
  world.clock.set(*told);
  EXPECT_NE(world.verify(citizen, citizen.pin).as<Verified>(), nullptr) << "it is over when a desk reads so";
}

TEST_F(Guesses, TheDelayGrowsToOneHourAndNoFurther) {
  world.config.policy.guess.limit = 14;
  const auto citizen = world.active(1);
  world.fail(citizen, 12);
  EXPECT_TRUE(world.verify(citizen, kWrong8).is(Shown::rejected));
  const auto early = world.verify(citizen, kWrong8);
  ASSERT_TRUE(early.is(Shown::delayed));
  EXPECT_EQ(early.as<Rejection>()->retry_after_s, 3600U);
}

TEST_F(Guesses, TheFirstHalfAloneLeavesTheCount) {
  const auto citizen = world.provisional(1);
  world.fail(citizen, 4);
  const auto before = world.guard(citizen);
  const auto seen = world.verify(citizen, citizen.first);
  ASSERT_NE(seen.as<Verified>(), nullptr) << describe(seen);
  EXPECT_EQ(world.guard(citizen), before);
}

TEST_F(Guesses, ItsHolderGetsNoMoreThanTheLimitAtTheSecondHalf) {
  const auto citizen = world.provisional(1);
  int evaluated = 0;
  for (int i = 0; i < 40; ++i) {
    world.verify(citizen, citizen.first);
    if (world.verify(citizen, citizen.first + kWrong8).is(Shown::rejected)) ++evaluated;
    world.clock.advance(base::hours(1));
  }
  EXPECT_EQ(evaluated, 10);
}

TEST_F(Guesses, TheRightSixteenClear) {
  const auto citizen = world.provisional(1);
  world.fail(citizen, 9);
  EXPECT_NE(world.verify(citizen, citizen.whole()).as<Verified>(), nullptr);
  EXPECT_EQ(world.count(citizen), 0U);
}

TEST_F(Guesses, TheRightDefinitivePinClearsAtEveryEndpoint) {
  auto citizen = world.active(1);
  const Contacts phone{{}, {}, {}, "+390612345678", {}};
  const std::vector<std::function<Request()>> uses = {
      [&] {
        return Request(Verify{citizen.subject, pin(citizen.pin), false});
      },
      [&] {
        return Request(OpenConversion{citizen.subject, pin(citizen.pin), {}, {}});
      },
      [&] {
        return Request(
            Authorize{citizen.subject, pin(citizen.pin), {"claim.submit", "r", std::string(64, '0')}});
      },
      [&] {
        return Request(ChangeContacts{citizen.subject, pin(citizen.pin), {}, {}, phone, {}});
      },
      [&] {
        return Request(Renew{citizen.subject, pin(citizen.pin), {}});
      }};
  for (const auto& use : uses) {
    world.fail(citizen, 2);
    const auto done = world.call(Role::portal, use());
    EXPECT_EQ(world.count(citizen), 0U) << describe(done);
    if (const auto* fresh = done.as<NewPin>()) citizen.pin = shown(*fresh);
  }
  EXPECT_NE(world.verify(citizen, citizen.pin).as<Verified>(), nullptr);
}

TEST_F(Guesses, AnExpiredPinClearsAndIsSaidToBeExpired) {
  const auto citizen = world.active(1);
  world.clock.advance(base::days(179));
  world.fail(citizen, 2);
  world.clock.advance(base::days(1));
  EXPECT_NE(world.verify(citizen, citizen.pin).as<ExpiredPin>(), nullptr);
  EXPECT_EQ(world.count(citizen), 0U);
  EXPECT_NE(world.call(Role::portal, Renew{citizen.subject, pin(citizen.pin), {}}).as<NewPin>(), nullptr);
}

TEST_F(Guesses, TheWrongKindIsRejectedAndChargedHoweverRight) {
  const auto first = world.provisional(1);
  const auto active = world.active(2);
  const Action action{"claim.submit", "r", std::string(64, '0')};
  const Contacts phone{{}, {}, {}, "+390612345678", {}};
  const auto try_it = [&](const Citizen& citizen, Request request, const char* what) {
    const auto before = world.count(citizen);
    const auto seen = world.call(Role::portal, std::move(request));
    EXPECT_TRUE(seen.is(Shown::rejected)) << what << ' ' << describe(seen);
    EXPECT_EQ(world.count(citizen), before + 1) << what;
    world.clock.advance(base::hours(1));
  };
  try_it(first, Verify{first.subject, pin(first.second), false}, "second half alone");
  try_it(first, Activate{first.subject, pin(first.first), {}}, "activate with the first half");
  try_it(first, Authorize{first.subject, pin(first.whole()), action}, "authorize with the sixteen");
  try_it(first, OpenConversion{first.subject, pin(first.whole()), {}, {}}, "convert with the sixteen");
  try_it(first, Renew{first.subject, pin(first.whole()), {}}, "renew with the sixteen");
  try_it(first, ChangeContacts{first.subject, pin(first.first), {}, {}, phone, {}}, "contacts, first half");
  try_it(first, Verify{first.subject, pin(first.second + first.first), false}, "halves exchanged");
  try_it(active, Activate{active.subject, pin(active.pin), {}}, "activate with a definitive PIN");
  try_it(active, Activate{active.subject, pin(active.whole()), {}}, "activate twice");
  try_it(active, Verify{active.subject, pin(active.first), false}, "a half after activation");
  try_it(active, Verify{active.subject, pin(active.pin + active.pin), false}, "a definitive PIN twice");
}

TEST_F(Guesses, UnknownBlockedRevokedAndLapsedAreAnsweredAsKnownOnesToTheEnd) {
  const auto lapsed = world.provisional(5);
  world.clock.advance(base::days(61));
  const auto active = world.active(1);
  const auto unknown = world.citizen(2);
  const auto blocked = world.active(3);
  world.block(blocked);
  const auto revoked = world.active(4);
  world.revoke_at_branch(revoked);
  for (int i = 0; i < 24; ++i) {
    const auto expected = world.verify(active, i % 2 == 0 ? kWrong8 : kWrong16).text;
    for (const auto* other : {&unknown, &blocked, &revoked, &lapsed})
      EXPECT_EQ(world.verify(*other, i % 2 == 0 ? kWrong8 : kWrong16).text, expected) << i;
    if (i % 2 == 1) world.clock.advance(base::minutes(20));
  }
  EXPECT_TRUE(world.verify(unknown, kWrong8).is(Shown::locked));
}

TEST_F(Guesses, CountersHaveOneBoundForThoseWhoExistAndThoseWhoDoNot) {
  const auto known = world.active(1);
  const auto counted = world.active(2);
  world.fail(counted, 1);
  world.store().pretend_guards(8'000'000);
  for (const auto& citizen : {known, world.citizen(3)}) {
    EXPECT_EQ(world.verify(citizen, kWrong8).outage, Outage::overloaded);
    EXPECT_EQ(world.count(citizen), 0U);
  }
  // Whoever has a counter goes on with it.
  EXPECT_TRUE(world.verify(counted, kWrong8).is(Shown::rejected));
}

TEST_F(Guesses, NothingElseChangesTheCount) {
  const auto citizen = world.active(1);
  world.fail(citizen, 4);
  const auto before = world.guard(citizen);
  EXPECT_NE(world.convert_at_branch(citizen).as<ConversionOpened>(), nullptr);
  const Contacts phone{{}, {}, {}, "+390612345678", {}};
  EXPECT_NE(world.call(Role::contact_centre, ChangeContacts{citizen.subject, {}, "op", {}, phone, {}})
                .as<ContactsNow>(),
            nullptr);
  EXPECT_NE(world.block(citizen).as<BlockedNow>(), nullptr);
  world.restart();
  EXPECT_EQ(world.guard(citizen), before);
  const auto second = world.provisional(2);
  world.fail(second, 4);
  EXPECT_NE(world.call(Role::portal, RemakeHalf{second.credential, second.subject, Half::first, {}})
                .as<HalfRemade>(),
            nullptr);
  EXPECT_EQ(world.count(second), 4U);
}

TEST_F(Guesses, FailuresWhileNothingWasLiveEndAtIssueAndOthersStay) {
  auto unknown = world.citizen(1);
  world.fail(unknown, 10);
  EXPECT_TRUE(world.verify(unknown, kWrong8).is(Shown::locked));
  const auto issued = world.request(unknown);
  world.read_halves(unknown, *issued.as<PinRequested>());
  EXPECT_EQ(world.count(unknown), 0U);
  world.fail(unknown, 4);
  world.clock.advance(base::days(61));
  world.fail(unknown, 3);  // lapsed: while none is live
  EXPECT_EQ(world.count(unknown), 7U);
  ASSERT_NE(world.request(unknown).as<PinRequested>(), nullptr);
  EXPECT_EQ(world.count(unknown), 4U);
}

TEST_F(Guesses, RecoveryRequestAfterRevocationAndSubstitutionEndTheLock) {
  const auto revoked = world.active(1);
  world.fail(revoked, 10);
  world.revoke_at_branch(revoked);
  EXPECT_EQ(world.count(revoked), 10U);
  EXPECT_NE(world.request(revoked).as<PinRequested>(), nullptr);
  EXPECT_EQ(world.count(revoked), 0U);
  const auto substituted = world.active(2);
  world.fail(substituted, 10);
  EXPECT_NE(world.substitute(substituted).as<PinRequested>(), nullptr);
  EXPECT_EQ(world.count(substituted), 0U);
  const auto recovered = world.active(3);
  world.fail(recovered, 10);
  world.collect_all();
  EXPECT_NE(world.recover(recovered).as<LinkSent>(), nullptr);
  EXPECT_EQ(world.count(recovered), 10U) << "a link that was asked for ends nothing";
  for (const auto& message : world.collect_all()) {
    if (message.kind != "link.recovery") continue;
    const auto done =
        world.call(Role::portal, ConfirmRecovery{message.link, LinkToken::parse(base::view(message.token))});
    EXPECT_NE(done.as<PinRequested>(), nullptr) << describe(done);
  }
  EXPECT_EQ(world.count(recovered), 0U);
}

TEST_F(Guesses, TheLockIsToldToTheCitizenOnce) {
  const auto citizen = world.active(1);
  world.fail(citizen, 9);
  world.collect_all();
  world.fail(citizen, 1);
  world.verify(citizen, kWrong8);
  world.restart();  // the notice is finished before the engine goes
  EXPECT_EQ(world.collect_all().size(), 3U) << "mobile, e-mail, PEC";
}

TEST_F(Guesses, NobodyWaitsForTheNoticeOfALock) {
  const auto citizen = world.active(1);
  const auto index = world.index(citizen);
  world.collect_all();
  SubjectQueue& queue = world.engine().context().queue;  // the engine itself is on its way out by then
  bool free = false, looked = false, free_then = false;
  world.store().before_commit([&] {
    base::start(queue.enter(index), [&](SubjectQueue::Turn) { free = true; });
    looked = true;
    free_then = free;
  });
  send_notices_later(world.engine().context(), index, NoticeEvent::locked);
  world.restart();
  EXPECT_TRUE(looked);
  EXPECT_TRUE(free_then) << "a guess would wait for it, and at a subject that does not exist for nothing";
  EXPECT_EQ(world.collect_all().size(), 3U);
}

TEST_F(Guesses, ANoticeOfASubjectThatIsErasedMeanwhileGoesToo) {
  const auto citizen = world.active(1);
  const auto index = world.index(citizen);
  world.collect_all();
  world.store().before_commit([&] {
    sealed_store::Changes erasure;
    erasure.erases.push_back(record_key(Table::subject, index));
    EXPECT_TRUE(base::sync_wait(world.memory().commit(std::move(erasure))));
  });
  send_notices_later(world.engine().context(), index, NoticeEvent::locked);
  world.restart();
  EXPECT_TRUE(world.collect_all().empty());
}

}  // namespace
}  // namespace sigillo::appliance::testing
