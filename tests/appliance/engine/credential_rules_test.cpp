// Conversion, authorizations, recovery, revocation.
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

using Shown = Rejection::Outcome;

struct Credentials : ::testing::Test {
  World world;
  void SetUp() override { world.start(); }

  std::string open_conversion(const Citizen& citizen) {
    const auto opened = world.call(Role::portal, OpenConversion{citizen.subject, pin(citizen.pin), {}, {}});
    return opened.as<ConversionOpened>() == nullptr ? describe(opened)
                                                    : opened.as<ConversionOpened>()->conversion_id;
  }
  Outcome submit(const std::string& id, Role role, Route route, std::optional<std::string> who) {
    return world.call(role, SubmitEvidence{id, evidence(route), std::move(who)});
  }
  Outcome decide(const std::string& id, Role role, bool approve, const std::string& who) {
    return world.call(role, DecideConversion{id, approve, who, {}});
  }
  Outcome authorize(const Citizen& citizen) {
    const Action action{"claim.submit", "case-1", std::string(64, '0')};
    return world.call(Role::portal, Authorize{citizen.subject, pin(citizen.pin), action});
  }
  Authorization read(const Outcome& authorized) {
    const auto seen =
        world.call(Role::portal, GetAuthorization{authorized.as<Authorization>()->authorization_id});
    return *seen.as<Authorization>();
  }
  // The link of the newest message of the kind, and what confirms it.
  Message link(const std::string& kind) {
    Message found;
    for (auto& message : world.collect_all()) {
      if (message.kind == kind) found = std::move(message);
    }
    return found;
  }
  Outcome confirm_recovery(const Message& link, const std::string& token) {
    return world.call(Role::portal, ConfirmRecovery{link.link, LinkToken::parse(base::view(token))});
  }
  Outcome confirm_revocation(const Message& link, const std::string& token) {
    return world.call(Role::portal, ConfirmRevocation{link.link, LinkToken::parse(base::view(token))});
  }
};
const std::string kWrongToken(43, 'A');

TEST_F(Credentials, AConversionTakesFourEyesWhateverTheSpellingOrChannel) {
  const auto citizen = world.active(1);
  const auto id = open_conversion(citizen);
  EXPECT_TRUE(decide(id, Role::back_office, true, "anna").is(Refusal::invalid_evidence)) << "none yet";
  ASSERT_NE(submit(id, Role::back_office, Route::fax, "Anna.Bianchi").as<ConversionView>(), nullptr);
  for (const char* same : {"Anna.Bianchi", "anna.bianchi", "ANNA.BIANCHI"}) {
    EXPECT_TRUE(decide(id, Role::back_office, true, same).is(Refusal::four_eyes)) << same;
    EXPECT_TRUE(decide(id, Role::branch, true, same).is(Refusal::four_eyes)) << same;
    EXPECT_TRUE(decide(id, Role::branch, false, same).is(Refusal::four_eyes)) << same;
  }
  EXPECT_NE(decide(id, Role::branch, true, "anna.bianchi2").as<ConversionView>(), nullptr);
  EXPECT_TRUE(decide(id, Role::branch, true, "carla").is(Refusal::already_decided));
  EXPECT_EQ(world.status(citizen).level, Level::dispositive);
}

TEST_F(Credentials, ADispositivePinIsNotConvertedAgain) {
  const auto citizen = world.dispositive(1);
  const auto again = world.call(Role::portal, OpenConversion{citizen.subject, pin(citizen.pin), {}, {}});
  EXPECT_TRUE(again.is(Refusal::already_dispositive));
  EXPECT_TRUE(world.convert_at_branch(citizen).is(Refusal::already_dispositive));
  EXPECT_TRUE(world.convert_at_branch(world.provisional(2)).is(Refusal::no_credential));
}

TEST_F(Credentials, ACredentialThatEndedTakesItsConversionWithIt) {
  const auto citizen = world.active(1);
  const auto id = open_conversion(citizen);
  submit(id, Role::portal, Route::upload, {});
  world.revoke_at_branch(citizen);
  EXPECT_TRUE(decide(id, Role::branch, true, "anna").is(Refusal::already_decided));
}

TEST_F(Credentials, AConversionThatEndedUndecidedReadsRejectedToWhoFollowsIt) {
  const auto end = [this](const Citizen& citizen, int how) {
    switch (how) {
      case 0:
        return static_cast<void>(open_conversion(citizen));  // a newer one
      case 1:
        return static_cast<void>(world.block(citizen));
      case 2:
        return static_cast<void>(world.revoke_at_branch(citizen));
      case 3:
        return static_cast<void>(world.substitute(citizen));
      case 4:
        return static_cast<void>(world.convert_at_branch(citizen));
      default:
        ASSERT_NE(world.recover(citizen).as<LinkSent>(), nullptr);
        const auto sent = link("link.recovery");
        ASSERT_NE(confirm_recovery(sent, sent.token).as<PinRequested>(), nullptr);
    }
  };
  const auto state = [this](const std::string& id) {
    return world.call(Role::back_office, GetConversion{id}).as<ConversionView>()->state;
  };
  for (int how = 0; how < 6; ++how) {
    for (const bool in_review : {false, true}) {
      const auto citizen = world.active(static_cast<unsigned>(1 + 2 * how + (in_review ? 1 : 0)));
      authorize(citizen);
      const auto id = open_conversion(citizen);
      if (in_review) submit(id, Role::portal, Route::upload, {});
      EXPECT_EQ(state(id), in_review ? ConversionState::in_review : ConversionState::awaiting_evidence);
      end(citizen, how);
      EXPECT_EQ(state(id), ConversionState::rejected) << how;
      EXPECT_TRUE(world.call(Role::portal, GetConversion{id}).as<ConversionView>()->deferred.empty()) << how;
      EXPECT_TRUE(decide(id, Role::branch, true, "anna").is(Refusal::already_decided)) << how;
      EXPECT_TRUE(submit(id, Role::portal, Route::upload, {}).is(Refusal::already_decided)) << how;
    }
  }
}

TEST_F(Credentials, AnotherPortalDoesNotSeeAConversionOrAnAuthorization) {
  const auto citizen = world.active(1);
  const auto id = open_conversion(citizen);
  EXPECT_NE(world.call(Role::portal, GetConversion{id}).as<ConversionView>(), nullptr);
  EXPECT_NE(world.call(Role::branch, GetConversion{id}).as<ConversionView>(), nullptr);
  const auto claim = authorize(citizen);
  EXPECT_TRUE(world.call(Role::branch, GetAuthorization{claim.as<Authorization>()->authorization_id})
                  .is(Refusal::not_found));
}

TEST_F(Credentials, ADeferredClaimIsGrantedByConversionItsDateKept) {
  const auto citizen = world.active(1);
  const auto claim = authorize(citizen);
  ASSERT_EQ(claim.as<Authorization>()->decision, AuthorizationState::deferred);
  const auto date = claim.as<Authorization>()->effective_at;
  world.clock.advance(base::days(3));
  const auto id = open_conversion(citizen);
  submit(id, Role::portal, Route::upload, {});
  const auto view = world.call(Role::back_office, GetConversion{id});
  ASSERT_EQ(view.as<ConversionView>()->deferred.size(), 1U) << "who decides sees the list";
  EXPECT_EQ(read(claim).decision, AuthorizationState::deferred);
  decide(id, Role::back_office, true, "anna");
  EXPECT_EQ(read(claim).decision, AuthorizationState::granted);
  EXPECT_EQ(read(claim).effective_at, date);
  EXPECT_EQ(authorize(citizen).as<Authorization>()->decision, AuthorizationState::granted);
}

TEST_F(Credentials, NoMoreClaimsWaitForAConversionThanOneCommitTurnsAndNoneOfThemIsLost) {
  const auto citizen = world.active(1);
  std::vector<Outcome> claims;
  for (int i = 0; i < 200; ++i) claims.push_back(authorize(citizen));
  world.fail(citizen, 2);
  const auto before = world.store().head().seq;
  EXPECT_TRUE(authorize(citizen).is(Refusal::deferred_limit));
  EXPECT_EQ(world.count(citizen), 0U) << "the PIN was right";
  EXPECT_EQ(world.count_events(EventKind::denied, before), 1U);
  EXPECT_EQ(world.count_events(EventKind::authorized, before), 0U);
  auto wrong = citizen;
  wrong.pin = kWrong8;
  EXPECT_TRUE(authorize(wrong).is(Rejection::Outcome::rejected)) << "and nobody else is told";
  world.substitute(citizen);
  for (const auto& claim : claims) ASSERT_EQ(read(claim).decision, AuthorizationState::granted);
}

TEST_F(Credentials, WhatEndsMakesAClaimVoidAndWhatSubstitutesGrantsIt) {
  const auto blocked = world.active(1), revoked = world.active(2), substituted = world.active(3);
  const auto first = authorize(blocked), second = authorize(revoked), third = authorize(substituted);
  world.block(blocked);
  world.revoke_at_branch(revoked);
  world.substitute(substituted);
  EXPECT_EQ(read(first).decision, AuthorizationState::void_);
  EXPECT_EQ(read(second).decision, AuthorizationState::void_);
  EXPECT_EQ(read(third).decision, AuthorizationState::granted);
  ASSERT_NE(world.request(revoked, Role::branch).as<PinRequested>(), nullptr);
  EXPECT_EQ(read(second).decision, AuthorizationState::void_) << "void stays void";
}

TEST_F(Credentials, RecoveryKeepsTheClaimAndTheLevelAndSendsBySmsAndMail) {
  for (const auto level : {Level::ordinary, Level::dispositive}) {
    auto citizen = level == Level::ordinary ? world.active(1) : world.dispositive(2);
    const auto claim = authorize(citizen);
    ASSERT_NE(world.recover(citizen).as<LinkSent>(), nullptr);
    const auto sent = link("link.recovery");
    EXPECT_EQ(sent.medium, Medium::email);
    const auto issued = confirm_recovery(sent, sent.token);
    ASSERT_NE(issued.as<PinRequested>(), nullptr) << describe(issued);
    EXPECT_EQ(issued.as<PinRequested>()->level, level);
    EXPECT_EQ(issued.as<PinRequested>()->deliveries[0].medium, Medium::sms);
    EXPECT_EQ(issued.as<PinRequested>()->deliveries[1].medium, Medium::email);
    EXPECT_TRUE(world.verify(citizen, citizen.pin).is(Shown::rejected)) << "the old one is dead";
    world.clock.advance(base::minutes(1));
    world.read_halves(citizen, *issued.as<PinRequested>());
    world.activate(citizen);
    const auto kept = level == Level::ordinary ? AuthorizationState::deferred : AuthorizationState::granted;
    EXPECT_EQ(read(claim).decision, kept);
  }
}

TEST_F(Credentials, InTheStrictProfileRecoveredHalvesDieInTenMinutesAndTheLevelFalls) {
  world.config.policy = Policy::strict();
  world.config.policy.verifier.pbkdf2_iterations = 10;
  world.restart();
  auto citizen = world.citizen(1);
  auto issued = world.request(citizen, Role::branch);
  world.read_halves(citizen, *issued.as<PinRequested>());
  world.activate(citizen);
  world.clock.advance(base::days(8));
  ASSERT_NE(world.recover(citizen).as<LinkSent>(), nullptr);
  const auto sent = link("link.recovery");
  issued = confirm_recovery(sent, sent.token);
  ASSERT_NE(issued.as<PinRequested>(), nullptr) << describe(issued);
  EXPECT_EQ(issued.as<PinRequested>()->level, Level::ordinary);
  world.read_halves(citizen, *issued.as<PinRequested>());
  EXPECT_NE(world.verify(citizen, citizen.whole()).as<Verified>(), nullptr);
  world.clock.advance(base::minutes(10));
  EXPECT_TRUE(world.verify(citizen, citizen.whole()).is(Shown::rejected));
}

TEST_F(Credentials, OnlyWhatHadItsFirstAccessIsRecovered) {
  const auto citizen = world.provisional(1);
  world.clock.advance(base::days(8));
  EXPECT_NE(world.recover(citizen).as<NotEligible>(), nullptr);
  EXPECT_TRUE(world.recover(world.citizen(2)).is(Shown::rejected));
  const auto blocked = world.active(3);
  world.block(blocked);
  EXPECT_NE(world.recover(blocked).as<LinkSent>(), nullptr);
}

TEST_F(Credentials, ALinkDiesAtItsFifthWrongTokenAndTouchesNoOtherCounter) {
  const auto citizen = world.active(1);
  world.fail(citizen, 2);
  for (const bool recovery : {true, false}) {
    ASSERT_NE((recovery ? world.recover(citizen) : world.revoke(citizen, citizen.card)).as<LinkSent>(),
              nullptr);
    const auto sent = link(recovery ? "link.recovery" : "link.revocation");
    const auto confirm = [&](const std::string& token) {
      return recovery ? confirm_recovery(sent, token) : confirm_revocation(sent, token);
    };
    for (unsigned n = 1; n <= 5; ++n) {
      const auto wrong = confirm(n == 2 ? "no token at all" : kWrongToken);
      ASSERT_TRUE(wrong.is(Shown::rejected));
      EXPECT_EQ(wrong.as<Rejection>()->attempts_remaining, 5 - n);
    }
    EXPECT_TRUE(confirm(sent.token).is(Shown::rejected)) << "dead, however right";
    EXPECT_EQ(world.count(citizen), 2U);
    EXPECT_EQ(world.count(citizen, guard::Counter::contacts), 0U);
    EXPECT_EQ(world.count(citizen, guard::Counter::health_card), 0U);
  }
  EXPECT_NE(world.verify(citizen, citizen.pin).as<Verified>(), nullptr);
}

TEST_F(Credentials, ALinkIsUsedOnceForItsOwnPurposeInItsTime) {
  const auto citizen = world.active(1);
  world.recover(citizen);
  auto sent = link("link.recovery");
  EXPECT_TRUE(confirm_revocation(sent, sent.token).is(Shown::rejected));
  world.clock.advance(base::hours(24));
  EXPECT_TRUE(confirm_recovery(sent, sent.token).is(Shown::rejected));
  world.recover(citizen);
  const auto older = link("link.recovery");
  world.recover(citizen);
  sent = link("link.recovery");
  EXPECT_TRUE(confirm_recovery(older, older.token).is(Shown::rejected)) << "a newer one replaced it";
  EXPECT_NE(confirm_recovery(sent, sent.token).as<PinRequested>(), nullptr);
  EXPECT_TRUE(confirm_recovery(sent, sent.token).is(Shown::rejected));
}

TEST_F(Credentials, ABlockBetweenLinkAndTokenStopsARevocationAndNotARecovery) {
  const auto citizen = world.active(1);
  world.revoke(citizen, citizen.card);
  const auto revocation = link("link.revocation");
  world.recover(citizen);
  const auto recovery = link("link.recovery");
  world.block(citizen);
  EXPECT_TRUE(confirm_revocation(revocation, revocation.token).is(Shown::rejected));
  EXPECT_EQ(world.status(citizen).state, State::blocked);
  EXPECT_NE(confirm_recovery(recovery, recovery.token).as<PinRequested>(), nullptr);
}

TEST_F(Credentials, HalvesThatHadNotLeftAreWithdrawnWithTheirCredential) {
  const auto citizen = world.citizen(1);
  ASSERT_NE(world.request(citizen).as<PinRequested>(), nullptr);
  world.revoke_at_branch(citizen);
  for (const auto& message : world.collect_all()) EXPECT_EQ(message.kind, "notice");
}

}  // namespace
}  // namespace sigillo::appliance::testing
