// How a PIN is asked for, sent, made anew, and what it opens.
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

using Shown = Rejection::Outcome;

struct Issues : ::testing::Test {
  World world;
  void SetUp() override { world.start(); }
  Outcome remake(const Citizen& citizen, Half half, Role role = Role::portal) {
    return world.call(role, RemakeHalf{citizen.credential, citizen.subject, half, "op-1"});
  }
  std::vector<Scope> scopes(const Citizen& citizen, const std::string& text) {
    const auto seen = world.verify(citizen, text);
    return seen.as<Verified>() == nullptr ? std::vector<Scope>() : seen.as<Verified>()->scopes;
  }
};

TEST_F(Issues, WhatOpensWhat) {
  auto citizen = world.provisional(1);
  const std::vector<Scope> little{Scope::portal_explore, Scope::profile_manage};
  EXPECT_EQ(scopes(citizen, citizen.first), little);
  EXPECT_EQ(scopes(citizen, citizen.second), std::vector<Scope>());
  EXPECT_EQ(scopes(citizen, citizen.whole()), little);
  EXPECT_TRUE(world.verify(citizen, citizen.whole()).as<Verified>()->next_activate);
  world.activate(citizen);
  auto ordinary = little, dispositive = little;
  ordinary.insert(ordinary.end(), {Scope::records_read, Scope::claims_defer});
  dispositive.insert(dispositive.end(), {Scope::records_read, Scope::claims_submit});
  EXPECT_EQ(scopes(citizen, citizen.pin), ordinary);
  world.convert_at_branch(citizen);
  EXPECT_EQ(scopes(citizen, citizen.pin), dispositive);
  EXPECT_NE(citizen.pin, citizen.first);
  EXPECT_NE(citizen.pin, citizen.second);
}

TEST_F(Issues, ACounterPinHasNoFirstHalf) {
  auto citizen = world.citizen(1);
  const auto issued = world.request(citizen, Role::branch);
  world.read_halves(citizen, *issued.as<PinRequested>());
  EXPECT_EQ(issued.as<PinRequested>()->level, Level::dispositive);
  EXPECT_TRUE(world.verify(citizen, citizen.first).is(Shown::rejected));
  EXPECT_TRUE(world.verify(citizen, citizen.second).is(Shown::rejected));
  EXPECT_NE(world.verify(citizen, citizen.whole()).as<Verified>(), nullptr);
  EXPECT_TRUE(remake({citizen}, Half::first).is(Refusal::delivery_not_possible));
}

TEST_F(Issues, BothHalvesNeverGoOneWayNorWithoutAnAddress) {
  unsigned number = 1;
  for (const auto role : {Role::portal, Role::contact_centre}) {
    for (unsigned given = 0; given < 16; ++given) {
      auto citizen = world.citizen(++number);
      if ((given & 1) == 0) citizen.contacts.mobile.reset();
      if ((given & 2) == 0) citizen.contacts.email.reset();
      if ((given & 4) == 0) citizen.contacts.pec.reset();
      if ((given & 8) == 0) citizen.contacts.postal.reset();
      const auto done = world.request(citizen, role);
      const bool possible = (given & 8) != 0 && (role == Role::contact_centre || (given & 7) != 0);
      ASSERT_EQ(done.as<PinRequested>() != nullptr, possible) << given << ' ' << describe(done);
      if (!possible) {
        EXPECT_TRUE(done.is(Refusal::delivery_not_possible));
      }
      if (!possible) continue;
      const auto& deliveries = done.as<PinRequested>()->deliveries;
      ASSERT_EQ(deliveries.size(), 2U);
      EXPECT_NE(deliveries[0].medium, deliveries[1].medium);
    }
  }
}

TEST_F(Issues, ALiveCredentialIsNotRequestedTwiceAndABlockedOneIsLive) {
  const auto citizen = world.active(1);
  EXPECT_TRUE(world.request(citizen).is(Refusal::credential_exists));
  EXPECT_EQ(world.count_events(EventKind::existence_told), 1U);
  world.block(citizen);
  for (const auto role : {Role::portal, Role::contact_centre, Role::branch})
    EXPECT_TRUE(world.request(citizen, role).is(Refusal::credential_exists));
  EXPECT_TRUE(world.revoke(citizen, citizen.card).is(Shown::rejected)) << "not at the portal";
  EXPECT_TRUE(world.verify(citizen, citizen.pin).is(Shown::rejected));
  world.clock.advance(base::days(400));
  EXPECT_EQ(world.status(citizen).state, State::blocked);
  EXPECT_NE(world.substitute(citizen).as<PinRequested>(), nullptr);
}

TEST_F(Issues, ThreeRefillsInThirtyDaysAndTheFourthTakesABranch) {
  auto citizen = world.active(1);
  for (int i = 0; i < 3; ++i) {
    world.revoke_at_branch(citizen);
    ASSERT_NE(world.request(citizen).as<PinRequested>(), nullptr) << i;
    world.clock.advance(base::days(1));
  }
  world.revoke_at_branch(citizen);
  EXPECT_TRUE(world.request(citizen).is(Refusal::branch_required));
  EXPECT_EQ(world.count_events(EventKind::existence_told), 1U) << "whichever 409 it is that tells";
  world.clock.advance(just_before(base::days(27)));
  EXPECT_TRUE(world.request(citizen).is(Refusal::branch_required));
  world.clock.advance({1});
  EXPECT_NE(world.request(citizen).as<PinRequested>(), nullptr);
}

TEST_F(Issues, ARefillWhosePinWasActivatedDoesNotCount) {
  auto citizen = world.active(1);
  for (int i = 0; i < 6; ++i) {
    world.revoke_at_branch(citizen);
    world.collect_all();
    const auto issued = world.request(citizen);
    ASSERT_NE(issued.as<PinRequested>(), nullptr) << i << describe(issued);
    world.read_halves(citizen, *issued.as<PinRequested>());
    world.activate(citizen);
  }
}

TEST_F(Issues, AfterAPortalRevocationThePostGoesWhereItAlwaysWentForThirtyDays) {
  const auto revoked = [this](unsigned number) {
    auto citizen = world.active(number);
    EXPECT_NE(world.revoke(citizen, citizen.card).as<LinkSent>(), nullptr);
    for (const auto& message : world.collect_all()) {
      if (message.kind != "link.revocation") continue;
      const auto token = LinkToken::parse(base::view(message.token));
      EXPECT_NE(world.call(Role::portal, ConfirmRevocation{message.link, token->clone()}).as<RevokedNow>(),
                nullptr);
    }
    return citizen;
  };
  auto citizen = revoked(1);
  auto moved = citizen;
  moved.contacts.postal->street = "Via Altrove 9";
  EXPECT_TRUE(world.request(moved).is(Refusal::branch_required));
  world.clock.advance(just_before(base::days(30)));
  EXPECT_TRUE(world.request(moved).is(Refusal::branch_required));
  world.clock.advance({1});
  EXPECT_NE(world.request(moved).as<PinRequested>(), nullptr);

  auto second = revoked(2);
  EXPECT_NE(world.request(second).as<PinRequested>(), nullptr) << "the registered address is taken at once";
  world.revoke_at_branch(second);
  second.contacts.postal->street = "Via Altrove 9";
  EXPECT_TRUE(world.request(second).is(Refusal::branch_required))
      << "another credential between changes nothing";
}

TEST_F(Issues, WhereNoAddressIsRegisteredAPortalRevocationTakesABranchToo) {
  auto citizen = world.citizen(1);
  const auto postal = std::exchange(citizen.contacts.postal, std::nullopt);
  ASSERT_NE(world.request(citizen, Role::branch).as<PinRequested>(), nullptr);
  ASSERT_NE(world.revoke(citizen, citizen.card).as<LinkSent>(), nullptr);
  for (const auto& message : world.collect_all()) {
    if (message.kind == "link.revocation")
      world.call(Role::portal, ConfirmRevocation{message.link, LinkToken::parse(base::view(message.token))});
  }
  ASSERT_EQ(world.status(citizen).state, State::revoked);
  citizen.contacts.postal = postal;
  EXPECT_TRUE(world.request(citizen).is(Refusal::branch_required));
  EXPECT_NE(world.request(citizen, Role::branch).as<PinRequested>(), nullptr);
}

TEST_F(Issues, LettersOneADayAndFourInThirtyDays) {
  auto citizen = world.provisional(1);  // its own letter counts
  EXPECT_TRUE(remake(citizen, Half::second).is(Refusal::delivery_limit));
  world.clock.advance(just_before(base::days(1)));
  EXPECT_TRUE(remake(citizen, Half::second).is(Refusal::delivery_limit));
  for (int letter = 2; letter <= 4; ++letter) {
    world.clock.advance(base::days(1));
    EXPECT_NE(remake(citizen, Half::second).as<HalfRemade>(), nullptr) << letter;
  }
  world.clock.advance(base::days(10));
  EXPECT_TRUE(remake(citizen, Half::second).is(Refusal::delivery_limit));
  world.clock.advance(base::days(20));
  EXPECT_NE(remake(citizen, Half::second).as<HalfRemade>(), nullptr);
}

TEST_F(Issues, ElectronicHalvesThreeADayTheOldOneDeadTheValidityAsItWas) {
  auto citizen = world.provisional(1);
  const auto expires = world.status(citizen).expires_at;
  const auto old = citizen.first;
  for (int i = 0; i < 3; ++i) EXPECT_NE(remake(citizen, Half::first).as<HalfRemade>(), nullptr);
  EXPECT_TRUE(remake(citizen, Half::first).is(Refusal::delivery_limit));
  EXPECT_EQ(world.status(citizen).expires_at, expires);
  EXPECT_TRUE(world.verify(citizen, old).is(Shown::rejected));
  const auto messages = world.collect_all();
  ASSERT_EQ(messages.size(), 1U) << "those that had not left are withdrawn";
  EXPECT_NE(world.verify(citizen, messages[0].pin).as<Verified>(), nullptr);
  EXPECT_NE(world.verify(citizen, messages[0].pin + citizen.second).as<Verified>(), nullptr);
  world.clock.advance(base::days(1));
  EXPECT_NE(remake(citizen, Half::first).as<HalfRemade>(), nullptr);
  world.activate(citizen = [&] {
    auto fresh = citizen;
    fresh.first = world.collect_all()[0].pin;
    return fresh;
  }());
  EXPECT_TRUE(remake(citizen, Half::first).is(Refusal::not_provisional));
}

TEST_F(Issues, TheStrictProfileMakesTheElectronicHalfOnDemandForTenMinutes) {
  world.config.policy = Policy::strict();
  world.config.policy.verifier.pbkdf2_iterations = 10;
  world.restart();
  auto citizen = world.citizen(1);
  const auto issued = world.request(citizen);
  ASSERT_EQ(issued.as<PinRequested>()->deliveries.size(), 1U);
  world.read_halves(citizen, *issued.as<PinRequested>());
  EXPECT_TRUE(citizen.first.empty());
  ASSERT_NE(remake(citizen, Half::first).as<HalfRemade>(), nullptr);
  citizen.first = world.collect(Medium::sms).at(0).pin;
  EXPECT_NE(world.verify(citizen, citizen.first).as<Verified>(), nullptr);
  world.clock.advance(just_before(base::minutes(10)));
  EXPECT_NE(world.verify(citizen, citizen.whole()).as<Verified>(), nullptr);
  world.clock.advance({1});
  EXPECT_TRUE(world.verify(citizen, citizen.first).is(Shown::rejected));
  EXPECT_TRUE(world.verify(citizen, citizen.whole()).is(Shown::rejected));
  ASSERT_NE(remake(citizen, Half::first).as<HalfRemade>(), nullptr);
  citizen.first = world.collect(Medium::sms).at(0).pin;
  world.activate(citizen);
  EXPECT_NE(world.verify(citizen, citizen.pin).as<Verified>(), nullptr);
}

TEST_F(Issues, AProvisionalPinLapsesAfterSixtyDays) {
  const auto citizen = world.provisional(1);
  world.clock.advance(just_before(base::days(60)));
  EXPECT_NE(world.verify(citizen, citizen.whole()).as<Verified>(), nullptr);
  world.clock.advance({1});
  EXPECT_TRUE(world.verify(citizen, citizen.whole()).is(Shown::rejected));
  EXPECT_EQ(world.status(citizen).state, State::lapsed);
  EXPECT_TRUE(world.block(citizen).is(Refusal::no_credential));
  EXPECT_TRUE(world.revoke_at_branch(citizen).is(Refusal::no_credential));
  EXPECT_NE(world.request(citizen).as<PinRequested>(), nullptr);
}

TEST_F(Issues, WhatIsForASuspendedCourierWaitsUntilItIsActiveAgain) {
  world.change(Role::courier_sms, [](Channel& courier) { courier.status = ChannelStatus::suspended; });
  auto citizen = world.citizen(1);
  const auto asked = world.request(citizen);
  ASSERT_NE(asked.as<PinRequested>(), nullptr) << describe(asked);
  world.change(Role::courier_sms, [](Channel& courier) { courier.status = ChannelStatus::active; });
  world.read_halves(citizen, *asked.as<PinRequested>());
  EXPECT_NO_FATAL_FAILURE(world.activate(citizen));
}

TEST_F(Issues, TheFirstCertificateOfAnActiveChannelToEndIsShown) {
  const auto shown = [this] { return world.reading("sigillo_channel_certificate_expiry_timestamp_seconds"); };
  EXPECT_EQ(shown(), std::nullopt) << "no end is known";
  const auto ends = [this](Role role, std::int64_t seconds, ChannelStatus status = ChannelStatus::active) {
    world.change(role, [&](Channel& channel) {
      channel.certificate_expires = {seconds * 1000};
      channel.status = status;
    });
  };
  ends(Role::portal, 2'000'000'000);
  ends(Role::courier_sms, 1'900'000'000);
  ends(Role::auditor, 1'800'000'000, ChannelStatus::revoked);
  EXPECT_EQ(shown(), 1'900'000'000);
}

TEST_F(Issues, ARevokedCourierIsNone) {
  world.change(Role::courier_sms, [](Channel& courier) { courier.status = ChannelStatus::revoked; });
  EXPECT_TRUE(world.request(world.citizen(1)).is(Refusal::delivery_not_possible));
}

}  // namespace
}  // namespace sigillo::appliance::testing
