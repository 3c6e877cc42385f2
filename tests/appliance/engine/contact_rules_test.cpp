// Contacts and health cards: their counters, the quarantine, and who is told.
#include "due_sweep.hpp"
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

using Shown = Rejection::Outcome;
using guard::Counter;

struct ContactRules : ::testing::Test {
  World world;
  void SetUp() override { world.start(); }
  Outcome change(const Citizen& citizen, const Contacts& to) {
    return world.call(Role::portal, ChangeContacts{citizen.subject, pin(citizen.pin), {}, {}, to, {}});
  }
  Outcome guess(const Citizen& citizen, Counter counter, bool right) {
    auto given = citizen;
    if (!right) given.card.expires.day = 30;
    if (!right) given.contacts.mobile = "+390000000000";
    return counter == Counter::contacts ? world.recover(given) : world.revoke(given, given.card);
  }
  std::multiset<Medium> notices() {
    std::multiset<Medium> media;
    for (const auto& message : world.collect_all()) {
      if (message.kind == "notice") media.insert(message.medium);
    }
    return media;
  }
};
const std::multiset<Medium> kAllThree{Medium::sms, Medium::email, Medium::pec};

TEST_F(ContactRules, TenWrongInARowLockWithTheSameDelaysAndNoOtherCounterMoves) {
  for (const auto counter : {Counter::contacts, Counter::health_card}) {
    const auto citizen = world.active(static_cast<unsigned>(counter));
    const auto unknown = world.citizen(100 + static_cast<unsigned>(counter));
    std::int64_t delay = 30;
    for (std::uint32_t n = 1; n <= 10; ++n) {
      const auto wrong = guess(citizen, counter, false);
      ASSERT_TRUE(wrong.is(Shown::rejected)) << n << describe(wrong);
      EXPECT_EQ(guess(unknown, counter, true).text, wrong.text);
      if (n < 3 || n == 10) continue;
      const auto early = guess(citizen, counter, true);
      ASSERT_TRUE(early.is(Shown::delayed)) << n;
      EXPECT_EQ(early.as<Rejection>()->retry_after_s, delay);
      EXPECT_EQ(guess(unknown, counter, true).text, early.text);
      world.clock.advance(base::seconds(delay));
      delay *= 2;
    }
    EXPECT_TRUE(guess(citizen, counter, true).is(Shown::locked));
    EXPECT_TRUE(guess(unknown, counter, true).is(Shown::locked));
    EXPECT_EQ(world.count(citizen), 0U);
    EXPECT_NE(world.verify(citizen, citizen.pin).as<Verified>(), nullptr);
    world.clock.advance(just_before(base::days(30)));
    EXPECT_TRUE(guess(citizen, counter, true).is(Shown::locked));
    world.clock.advance({1});
    EXPECT_NE(guess(citizen, counter, true).as<LinkSent>(), nullptr) << "forgotten after 30 days";
  }
}

TEST_F(ContactRules, AMatchAndABranchEndThem) {
  for (const auto counter : {Counter::contacts, Counter::health_card}) {
    const auto citizen = world.active(static_cast<unsigned>(counter));
    guess(citizen, counter, false);
    guess(citizen, counter, false);
    EXPECT_EQ(world.count(citizen, counter), 2U);
    EXPECT_NE(guess(citizen, counter, true).as<LinkSent>(), nullptr);
    EXPECT_EQ(world.count(citizen, counter), 0U);
    guess(citizen, counter, false);
    EXPECT_NE(world.verify(citizen, citizen.pin).as<Verified>(), nullptr);
    EXPECT_EQ(world.count(citizen, counter), 1U) << "a PIN is another counter's";
    EXPECT_NE(world.substitute(citizen).as<PinRequested>(), nullptr);
    EXPECT_EQ(world.count(citizen, counter), 0U);
  }
}

TEST_F(ContactRules, EveryContactGivenMustMatch) {
  const auto citizen = world.active(1);
  auto given = citizen.contacts;
  given.postal.reset();
  given.pec = "other@pec.example.it";
  EXPECT_TRUE(world.recover(citizen, given).is(Shown::rejected));
  given.pec = citizen.contacts.pec;
  EXPECT_NE(world.recover(citizen, given).as<LinkSent>(), nullptr);
}

TEST_F(ContactRules, AReplacedContactCountsAfterSevenDaysOrOnceConfirmed) {
  auto citizen = world.active(1);
  Contacts fresh;
  fresh.mobile = "+393409999999";
  ASSERT_NE(change(citizen, fresh).as<ContactsNow>(), nullptr);
  Contacts given{fresh.mobile, citizen.contacts.email, {}, {}, {}};
  world.clock.advance(just_before(base::days(7)));
  EXPECT_TRUE(world.recover(citizen, given).is(Shown::rejected));
  world.clock.advance({1});
  EXPECT_NE(world.recover(citizen, given).as<LinkSent>(), nullptr);
}

TEST_F(ContactRules, AHalfThatWasUsedConfirmsWhereItWent) {
  auto citizen = world.active(1);
  world.revoke_at_branch(citizen);
  world.collect_all();
  citizen.contacts.mobile = "+393409999999";
  const auto issued = world.request(citizen);
  world.read_halves(citizen, *issued.as<PinRequested>());  // the first half came by SMS
  Contacts given{citizen.contacts.mobile, citizen.contacts.email, {}, {}, {}};
  EXPECT_TRUE(world.recover(citizen, given).is(Shown::rejected)) << "a replaced mobile, of today";
  EXPECT_NE(world.verify(citizen, citizen.first).as<Verified>(), nullptr);
  EXPECT_NE(world.recover(citizen, given).as<NotEligible>(), nullptr) << "it matches";
}

TEST_F(ContactRules, ARevocationsLinkThatWasUsedConfirmsTheRegisteredContactAndNoOther) {
  for (const bool registered : {true, false}) {
    auto citizen = world.active(registered ? 1 : 2);
    Contacts fresh;
    fresh.email = "fresh@example.it";
    ASSERT_NE(change(citizen, fresh).as<ContactsNow>(), nullptr);
    citizen.contacts.email = fresh.email;
    Contacts to;
    to.email = registered ? "fresh@example.it" : "elsewhere@example.it";
    const auto sent = world.call(Role::portal, Revoke{citizen.subject, citizen.card, to, {}, {}});
    ASSERT_NE(sent.as<LinkSent>(), nullptr) << describe(sent);
    for (const auto& message : world.collect_all()) {
      if (message.token.empty()) continue;
      const auto used = world.call(
          Role::portal, ConfirmRevocation{message.link, LinkToken::parse(base::view(message.token))});
      ASSERT_NE(used.as<RevokedNow>(), nullptr);
    }
    ASSERT_NE(world.request(citizen).as<PinRequested>(), nullptr);
    Contacts given{citizen.contacts.mobile, fresh.email, {}, {}, {}};
    const auto asked = world.recover(citizen, given);
    EXPECT_EQ(asked.as<NotEligible>() != nullptr, registered) << "it matches; " << describe(asked);
    EXPECT_EQ(asked.is(Shown::rejected), !registered);
  }
}

TEST_F(ContactRules, AHalfConfirmsNoContactThatCameAfterIt) {
  auto citizen = world.provisional(1);
  world.clock.advance(base::days(8));
  Contacts replaced;
  replaced.mobile = "+393409999999";
  ASSERT_NE(world.call(Role::branch, ChangeContacts{citizen.subject, {}, "op-1", evidence(), replaced, {}})
                .as<ContactsNow>(),
            nullptr);
  world.activate(citizen);
  Contacts given{replaced.mobile, citizen.contacts.email, {}, {}, {}};
  EXPECT_TRUE(world.recover(citizen, given).is(Shown::rejected));
}

TEST_F(ContactRules, ARecoverySendsNoHalfToAContactInQuarantine) {
  auto citizen = world.active(1);
  world.clock.advance(base::days(8));
  Contacts stolen;
  stolen.mobile = "+393409999999";
  change(citizen, stolen);
  world.collect_all();
  Contacts given{{}, citizen.contacts.email, citizen.contacts.pec, {}, {}};
  ASSERT_NE(world.recover(citizen, given).as<LinkSent>(), nullptr);
  for (const auto& message : world.collect_all()) {
    if (message.kind != "link.recovery") continue;
    const auto issued =
        world.call(Role::portal, ConfirmRecovery{message.link, LinkToken::parse(base::view(message.token))});
    ASSERT_NE(issued.as<PinRequested>(), nullptr) << describe(issued);
    for (const auto& delivery : issued.as<PinRequested>()->deliveries)
      EXPECT_NE(delivery.medium, Medium::sms);
  }
}

TEST_F(ContactRules, TheContactCentreAddsWhatIsMissingAndReplacesNothing) {
  auto citizen = world.citizen(1);
  citizen.contacts.pec.reset();
  world.request(citizen);
  const auto add = [&](Contacts contacts) {
    return world.call(Role::contact_centre, ChangeContacts{citizen.subject, {}, "op-1", {}, contacts, {}});
  };
  EXPECT_TRUE(add({"+393331111111", {}, {}, {}, {}}).is(Refusal::contact_exists));
  EXPECT_NE(add({{}, {}, "new@pec.example.it", {}, {}}).as<ContactsNow>(), nullptr);
  EXPECT_TRUE(add({{}, {}, "third@pec.example.it", {}, {}}).is(Refusal::contact_exists));
  world.revoke_at_branch(citizen);
  EXPECT_NE(add({{}, {}, {}, "+390612345678", {}}).as<ContactsNow>(), nullptr) << "whatever the state";
}

TEST_F(ContactRules, NoticesGoToTheContactsThatWereThereBefore) {
  auto citizen = world.provisional(1);
  EXPECT_EQ(notices(), std::multiset<Medium>()) << "a first request sends none";
  world.activate(citizen);
  EXPECT_EQ(notices(), kAllThree) << "activation";
  Contacts fresh;
  fresh.pec = "new@pec.example.it";
  change(citizen, fresh);
  EXPECT_EQ(notices(), kAllThree) << "contact change";
  world.convert_at_branch(citizen);
  EXPECT_EQ(notices(), kAllThree) << "conversion";
  world.revoke(citizen, citizen.card);
  EXPECT_EQ(notices(), kAllThree) << "revocation opened";
  world.block(citizen);
  EXPECT_EQ(notices(), kAllThree) << "block";
  world.substitute(citizen);
  EXPECT_EQ(notices(), kAllThree) << "substitution";
  world.revoke_at_branch(citizen);
  EXPECT_EQ(notices(), kAllThree) << "revocation";
  world.request(citizen, Role::branch);
  EXPECT_EQ(notices(), kAllThree) << "branch issue";
  auto first = world.citizen(2);
  world.request(first, Role::branch);
  EXPECT_EQ(notices(), std::multiset<Medium>()) << "a first one at a branch";
}

TEST_F(ContactRules, MoreThanFiveSubjectsOnOneMobileRaiseAnAlarm) {
  for (unsigned i = 1; i <= 6; ++i) {
    EXPECT_EQ(world.count_events(EventKind::shared_contact), 0U);
    auto citizen = world.citizen(i);
    citizen.contacts.mobile = "+393330000000";
    ASSERT_NE(world.request(citizen).as<PinRequested>(), nullptr);
  }
  EXPECT_EQ(world.count_events(EventKind::shared_contact), 1U);
}

TEST_F(ContactRules, AUseThatCameWhileOthersFellDueStillCounts) {
  const auto request = [this](unsigned number) {
    auto citizen = world.citizen(number);
    citizen.contacts.mobile = "+393330000000";
    ASSERT_NE(world.request(citizen).as<PinRequested>(), nullptr);
  };
  const auto& context = world.engine().context();
  const auto contact = *base::sync_wait(context.index_of_contact("+393330000000"));
  const auto kept = [&] { return context.load<ContactUse>(Table::contact_use, contact)->has_value(); };
  request(1);
  world.clock.advance(base::days(30));  // due by the list, and then given for five more
  for (unsigned i = 2; i <= 6; ++i) request(i);
  const auto key = record_key(Table::contact_use, contact);
  world.store().pretend_due(static_cast<std::uint8_t>(Queue::contact_use), {world.clock.now(), key});
  DueSweep sweep(world.engine());
  EXPECT_TRUE(sweep.step(std::chrono::seconds(1)));
  EXPECT_TRUE(kept());
  request(7);
  EXPECT_EQ(world.count_events(EventKind::shared_contact), 1U);
  world.clock.advance(base::days(30));
  EXPECT_TRUE(sweep.step(std::chrono::seconds(1)));
  EXPECT_FALSE(kept());
}

}  // namespace
}  // namespace sigillo::appliance::testing
