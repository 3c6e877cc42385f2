// The marks that a restore leaves: whoever has one is locked as after ten guesses, everywhere, and nothing
// but a new credential ends it. Both kinds: one of each subject that the ledger's tail names, and the one
// moment that stands for everybody where there is no tail.
#include "ageing.hpp"
#include "erasure.hpp"
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

using Shown = Rejection::Outcome;

enum class Kind : std::uint8_t { one, all };
struct Case {
  Disk disk;
  Kind kind;
};

Contacts nobodys_contacts() {
  Contacts out;
  out.mobile = "+393990000000";
  out.email = "nobody@example.it";
  return out;
}
auto another_card(const Citizen& citizen) {
  auto out = citizen.card;
  out.number = "80380000300099999999";
  return out;
}

struct Reissuing : ::testing::TestWithParam<Case> {
  World world{GetParam().disk};
  void SetUp() override {
    world.config.policy.contacts_quarantine = {};
    world.start();
  }

  // What a restore does here and now to these citizens; where there is no tail, to all.
  void restored(std::initializer_list<const Citizen*> citizens) {
    world.clock.advance({1});
    if (GetParam().kind == Kind::all) {
      world.reissue = Reissue(world.clock.now());
    } else {
      sealed_store::Changes changes;
      for (const auto* citizen : citizens) {
        sealed_store::Event event{world.clock.now(), static_cast<std::uint16_t>(EventKind::reissue_marked)};
        event.channel = "officer";
        event.guard.emplace(sealed_store::GuardKey{world.index(*citizen), 1},
                            guard::reissue_mark(world.clock.now()));
        changes.events.push_back(std::move(event));
      }
      ASSERT_TRUE(base::sync_wait(world.store().commit(std::move(changes))));
    }
    world.restart();
  }
  bool locked(const Citizen& citizen) {
    const bool shown = world.verify(citizen, citizen.pin.empty() ? kWrong8 : citizen.pin).is(Shown::locked);
    EXPECT_EQ(world.status(citizen).locked, shown) << "a desk sees what the citizen meets";
    return shown;
  }
  std::optional<Message> link() {
    std::optional<Message> found;
    for (auto& message : world.collect_all()) {
      if (!message.token.empty()) found = std::move(message);
    }
    return found;
  }
  Outcome confirm_recovery(const Message& sent) {
    return world.call(Role::portal, ConfirmRecovery{sent.link, LinkToken::parse(base::view(sent.token))});
  }
  void issued(Citizen& citizen, const Outcome& outcome) {
    const auto* answer = outcome.as<PinRequested>();
    ASSERT_NE(answer, nullptr) << describe(outcome);
    world.read_halves(citizen, *answer);
    world.activate(citizen);
    EXPECT_NE(world.verify(citizen, citizen.pin).as<Verified>(), nullptr);
    EXPECT_FALSE(world.status(citizen).locked);
  }
};

TEST_P(Reissuing, ALockByGuessesAndAMarkAreOneAnswerAndOneWorkForKnownAndUnknownAlike) {
  const auto guessed = world.active(1), active = world.active(2), revoked = world.active(3);
  const auto provisional = world.provisional(4);
  const auto unknown = world.citizen(5);
  world.revoke_at_branch(revoked);
  world.fail(guessed, 10);
  restored({&active, &revoked, &provisional, &unknown});
  for (const auto use : {0, 1, 2, 3, 4}) {
    std::vector<std::string> said;
    std::vector<std::uint64_t> work;
    for (const auto* one : {&guessed, &active, &revoked, &provisional, &unknown}) {
      const auto eight = [&] { return pin(one->pin.empty() ? kWrong8 : one->pin); };
      const auto before =
          world.dispatcher().calls() * 1'000'000 + world.store().reads() * 1000 + world.store().writes();
      Outcome outcome;
      if (use == 0) outcome = world.call(Role::portal, Verify{one->subject, eight(), true});
      if (use == 1)
        outcome = world.call(Role::portal,
                             Activate{one->subject, pin(one->first.empty() ? kWrong16 : one->whole()), {}});
      if (use == 2) outcome = world.call(Role::portal, Renew{one->subject, eight(), {}});
      if (use == 3)
        outcome = world.call(Role::portal,
                             Authorize{one->subject, eight(), {"claim.submit", "r", std::string(64, '0')}});
      if (use == 4) outcome = world.call(Role::portal, OpenConversion{one->subject, eight(), {}, {}});
      EXPECT_TRUE(outcome.is(Shown::locked)) << use;
      said.push_back(outcome.text);
      work.push_back(world.dispatcher().calls() * 1'000'000 + world.store().reads() * 1000 +
                     world.store().writes() - before);
    }
    EXPECT_EQ(std::count(said.begin(), said.end(), said.front()), 5);
    EXPECT_EQ(std::count(work.begin(), work.end(), work.front()), 5);
  }
}

TEST_P(Reissuing, NeitherTimeNorARestartNorAnythingButANewCredentialEndsIt) {
  const auto citizen = world.active(1), provisional = world.provisional(2);
  restored({&citizen, &provisional});
  Contacts phone;
  phone.phone = "+390612345678";
  EXPECT_NE(world.call(Role::contact_centre, ChangeContacts{citizen.subject, {}, "op-1", {}, phone, {}})
                .as<ContactsNow>(),
            nullptr);
  EXPECT_NE(world.call(Role::portal, RemakeHalf{provisional.credential, provisional.subject, Half::first, {}})
                .as<HalfRemade>(),
            nullptr);
  EXPECT_NE(world.convert_at_branch(citizen).as<ConversionOpened>(), nullptr);
  EXPECT_TRUE(locked(citizen) && locked(provisional));
  for (int years = 0; years < 3; ++years) {
    world.clock.advance(base::days(366));
    Ageing ageing(world.engine().context());
    for (int i = 0; i < 65'536 / 64; ++i) ASSERT_TRUE(ageing.step());
    world.restart();
    EXPECT_TRUE(locked(citizen) && locked(provisional));
  }
  EXPECT_NE(world.block(citizen).as<BlockedNow>(), nullptr);
  EXPECT_TRUE(locked(citizen));
  // Who let a credential lapse while locked has the lock on the next one too, as after any lock: only a
  // recovery, a branch or a request after a revocation ends one.
  EXPECT_NE(world.request(provisional).as<PinRequested>(), nullptr);
  EXPECT_TRUE(locked(provisional));
  world.restart();
  EXPECT_TRUE(locked(provisional));
}

TEST_P(Reissuing, ASubstitutionARecoveryAndARequestAfterARevocationEachEndIt) {
  auto at_branch = world.active(1), by_link = world.active(2), anew = world.active(3);
  restored({&at_branch, &by_link, &anew});
  ASSERT_TRUE(locked(at_branch) && locked(by_link) && locked(anew));
  issued(at_branch, world.substitute(at_branch));

  ASSERT_NE(world.recover(by_link).as<LinkSent>(), nullptr);
  EXPECT_TRUE(locked(by_link)) << "a link on its way ends nothing";
  const auto sent = link();
  ASSERT_TRUE(sent);
  issued(by_link, confirm_recovery(*sent));

  ASSERT_NE(world.revoke_at_branch(anew).as<RevokedNow>(), nullptr);
  EXPECT_TRUE(locked(anew));
  issued(anew, world.request(anew));
  EXPECT_EQ(world.store().guards(), 0U);
}

TEST_P(Reissuing, WhoNeverHadACredentialIsLockedUntilTheFirst) {
  auto unknown = world.citizen(1);
  restored({&unknown});
  ASSERT_TRUE(locked(unknown));
  issued(unknown, world.request(unknown));
}

TEST_P(Reissuing, AnErasureLeavesNoMarkBehindTheNextCredential) {
  auto citizen = world.active(1);
  restored({&citizen});
  sealed_store::Event event{world.clock.now(), static_cast<std::uint16_t>(EventKind::erased)};
  event.channel = "officer";
  ASSERT_TRUE(erase(world.engine().context(), citizen.subject, std::move(event)));
  EXPECT_TRUE(locked(citizen)) << "an erasure is no way to guess on";
  issued(citizen, world.request(citizen));
}

TEST_P(Reissuing, ALinkOfBeforeIsDeadAndAConversionOfBeforeIsNoMoreDecided) {
  auto citizen = world.active(1);
  const auto opened = world.call(Role::portal, OpenConversion{citizen.subject, pin(citizen.pin), {}, {}});
  const auto conversion = opened.as<ConversionOpened>()->conversion_id;
  auto upload = evidence(Route::upload);
  ASSERT_NE(world.call(Role::portal, SubmitEvidence{conversion, upload, {}}).as<ConversionView>(), nullptr);
  ASSERT_NE(world.recover(citizen).as<LinkSent>(), nullptr);
  const auto old = link();
  ASSERT_TRUE(old);
  restored({&citizen});
  EXPECT_TRUE(confirm_recovery(*old).is(Shown::rejected));
  EXPECT_TRUE(world.call(Role::back_office, DecideConversion{conversion, true, "op-9", {}})
                  .is(Refusal::already_decided));
  ASSERT_NE(world.recover(citizen).as<LinkSent>(), nullptr);
  const auto sent = link();
  ASSERT_TRUE(sent);
  issued(citizen, confirm_recovery(*sent));
  EXPECT_TRUE(confirm_recovery(*old).is(Shown::rejected));
}

TEST_P(Reissuing, WithoutATailOneTryIsLeftAtContactsAndCardsOfKnownAndUnknownAlike) {
  if (GetParam().kind == Kind::one) return;  // these counters are then the tail's own
  const auto known = world.active(1), unknown = world.citizen(2), neighbour = world.active(3);
  restored({});
  const auto wrong = nobodys_contacts();
  const auto card = another_card(known);
  for (const auto* one : {&known, &unknown}) {
    for (const bool contacts : {true, false}) {
      const auto ask = [&] { return contacts ? world.recover(*one, wrong) : world.revoke(*one, card); };
      const auto said = ask();
      ASSERT_TRUE(said.is(Shown::rejected)) << describe(said);
      EXPECT_EQ(said.as<Rejection>()->attempts_remaining, 0U);
      EXPECT_TRUE(ask().is(Shown::locked));
      world.restart();
      EXPECT_TRUE(ask().is(Shown::locked));
    }
  }
  EXPECT_NE(world.recover(neighbour).as<LinkSent>(), nullptr) << "who knows them is let through";
  world.clock.advance(base::days(30));
  EXPECT_NE(world.recover(known).as<LinkSent>(), nullptr) << "and 30 days end it as they end any";
}

TEST_P(Reissuing, WithoutATailAMatchAndABranchEndThatOneTryEachForItsOwnCounter) {
  if (GetParam().kind == Kind::one) return;
  const auto by_match = world.active(1), at_branch = world.active(2), neighbour = world.active(3);
  const auto provisional = world.provisional(4);
  restored({});
  const auto wrong = nobodys_contacts();
  const auto card = another_card(by_match);
  const auto left = [](const Outcome& outcome) {
    return outcome.is(Shown::rejected) ? static_cast<int>(outcome.as<Rejection>()->attempts_remaining) : -1;
  };

  ASSERT_NE(world.recover(by_match).as<LinkSent>(), nullptr);  // and is not used
  EXPECT_EQ(left(world.recover(by_match, wrong)), 9) << "one slip after a match is the first of ten";
  EXPECT_EQ(left(world.revoke(by_match, card)), 0) << "contacts that matched say nothing of the card";
  ASSERT_NE(world.recover(provisional).as<NotEligible>(), nullptr);
  EXPECT_EQ(left(world.recover(provisional, wrong)), 9) << "a match is one, whatever is answered";
  ASSERT_NE(world.revoke(neighbour, neighbour.card).as<LinkSent>(), nullptr);
  world.restart();
  EXPECT_EQ(left(world.revoke(neighbour, card)), 9);
  EXPECT_EQ(left(world.recover(neighbour, wrong)), 0);

  Contacts phone;
  phone.phone = "+390612345678";
  const auto changed =
      world.call(Role::branch, ChangeContacts{at_branch.subject, {}, "op-1", evidence(), phone, {}});
  ASSERT_NE(changed.as<ContactsNow>(), nullptr) << describe(changed);
  EXPECT_EQ(left(world.recover(at_branch, wrong)), 9);
  EXPECT_EQ(left(world.revoke(at_branch, card)), 9);

  restored({});
  for (const auto* one : {&by_match, &at_branch, &provisional}) {
    EXPECT_EQ(left(world.recover(*one, wrong)), 0) << "what ended before a restore says nothing after it";
    EXPECT_TRUE(world.recover(*one).is(Shown::locked));
  }
}

INSTANTIATE_TEST_SUITE_P(Marks, Reissuing,
                         ::testing::Values(Case{Disk::memory, Kind::one}, Case{Disk::memory, Kind::all},
                                           Case{Disk::sqlcipher, Kind::one},
                                           Case{Disk::sqlcipher, Kind::all}),
                         [](const auto& with) {
                           return std::string(with.param.disk == Disk::memory ? "memory" : "sqlcipher") +
                                  (with.param.kind == Kind::one ? "_one" : "_all");
                         });

}  // namespace
}  // namespace sigillo::appliance::testing
