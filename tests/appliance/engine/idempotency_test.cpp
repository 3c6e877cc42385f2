// Idempotency-Key: done once, told again, for its time.
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

struct Keys24h : ::testing::TestWithParam<Disk> {
  World world{GetParam()};
  void SetUp() override { world.start(); }
  Outcome activate(const Citizen& citizen, const std::string& body = "body") {
    return world.call(Role::portal, Activate{citizen.subject, pin(citizen.whole()), {}}, "key-1", body);
  }
};

TEST_P(Keys24h, AnAnswerIsToldAgainAfterARestart) {
  const auto citizen = world.provisional(1);
  const auto done = activate(citizen);
  ASSERT_NE(done.as<NewPin>(), nullptr);
  world.restart();
  const auto head = world.store().head().seq;
  const auto again = activate(citizen);
  EXPECT_FALSE(again.answer) << "nothing was decided";
  EXPECT_EQ(again.text, done.text);
  EXPECT_EQ(again.status, done.status);
  EXPECT_EQ(world.store().head().seq, head);
}

TEST_P(Keys24h, AnotherBodyIsRefusedAndNotCharged) {
  const auto citizen = world.provisional(1);
  activate(citizen);
  EXPECT_TRUE(activate(citizen, "another").is(Refusal::idempotency_key_reused));
  EXPECT_EQ(world.count(citizen), 0U) << "not charged: nothing was shown";
}

TEST_P(Keys24h, ASecretIsGoneAfterTenMinutesAndTheKeyAfterADay) {
  const auto citizen = world.provisional(1);
  const auto done = activate(citizen);
  world.clock.advance(just_before(base::minutes(10)));
  EXPECT_EQ(activate(citizen).text, done.text);
  world.clock.advance({1});
  EXPECT_TRUE(activate(citizen).is(Refusal::secret_no_longer_available));
  world.clock.advance(just_before(base::hours(24)));
  EXPECT_TRUE(activate(citizen).is(Rejection::Outcome::rejected)) << "a new request, of a PIN that was used";
}

TEST_P(Keys24h, ASecretThatIsAskedForOnceMoreIsCounted) {
  const auto citizen = world.provisional(1);
  activate(citizen);
  const auto shown = [this](const char* result) {
    return world.reading("sigillo_secret_replays_total", result);
  };
  EXPECT_EQ(shown("told"), 0);
  activate(citizen);
  activate(citizen, "another");
  EXPECT_EQ(shown("told"), 1);
  EXPECT_EQ(shown("refused"), 0) << "of another request, which does not know it";
  world.clock.advance(base::minutes(10));
  activate(citizen);
  EXPECT_EQ(shown("refused"), 1);
  const auto blocked = [&] {
    return world.call(Role::branch, Block{citizen.subject, "op-1", "lost"}, "key-2");
  };
  ASSERT_NE(blocked().as<BlockedNow>(), nullptr);
  blocked();
  EXPECT_EQ(shown("told"), 1) << "no secret";
}

TEST_P(Keys24h, AnAnswerWithoutASecretIsKeptForADay) {
  const auto citizen = world.citizen(1);
  const auto request = [&] {
    return world.call(Role::portal, RequestPin{citizen.subject, citizen.contacts, {}, {}, {}, {}, {}},
                      "key-2");
  };
  const auto done = request();
  ASSERT_NE(done.as<PinRequested>(), nullptr);
  world.clock.advance(just_before(base::hours(24)));
  EXPECT_EQ(request().text, done.text);
  world.clock.advance({1});
  EXPECT_TRUE(request().is(Refusal::credential_exists));
}

TEST_P(Keys24h, ARejectionIsToldAgainAndChargedOnce) {
  const auto citizen = world.active(1);
  const auto wrong = [&] {
    return world.call(Role::portal, Renew{citizen.subject, pin(kWrong8), {}}, "key-3");
  };
  const auto first = wrong();
  ASSERT_TRUE(first.is(Rejection::Outcome::rejected));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(wrong().text, first.text);
  EXPECT_EQ(world.count(citizen), 1U);
}

TEST_P(Keys24h, AnOutageFreesTheKey) {
  const auto citizen = world.provisional(1);
  world.token.fail(hsm::FakeToken::Call::hmac, 2, hsm::Errc::unavailable);
  ASSERT_TRUE(activate(citizen).outage);
  EXPECT_NE(activate(citizen).as<NewPin>(), nullptr);
  const auto other = world.provisional(2);
  const auto request = [&] {
    return world.call(Role::portal, Activate{other.subject, pin(other.whole()), {}}, "key-4");
  };
  world.store().fail_write(2);  // the settle, in whose commit the answer is kept
  ASSERT_TRUE(request().outage);
  EXPECT_NE(request().as<NewPin>(), nullptr);
}

TEST_P(Keys24h, AKeyIsItsChannelsOwn) {
  const auto citizen = world.active(1);
  const auto block = [&](Role role) {
    return world.call(role, Block{citizen.subject, "op-1", "lost"}, "key-5");
  };
  EXPECT_NE(block(Role::contact_centre).as<BlockedNow>(), nullptr);
  EXPECT_NE(block(Role::branch).as<BlockedNow>(), nullptr) << "decided, not told again";
}

TEST_P(Keys24h, TheStoreHoldsNoPinInClear) {
  const auto citizen = world.provisional(1);
  const auto made = shown(*activate(citizen).as<NewPin>());
  const auto index = world.index(citizen);
  const auto sealed = world.store().read(record_key(Table::subject, index));
  ASSERT_TRUE(sealed && *sealed);
  for (const auto& text : {made, citizen.first, citizen.second})
    EXPECT_EQ(base::text(**sealed).find(text), std::string_view::npos);
}

TEST(KeysWithoutTheWitness, AnAnswerIsNotToldAgainBeforeItIsAnchored) {
  World world;
  world.start();
  const auto citizen = world.active(1);
  const auto block = [&] {
    return world.call(Role::contact_centre, Block{citizen.subject, "op-1", "lost"}, "key-1");
  };
  world.memory().fail_next(2, sealed_store::Errc::not_witnessed);
  EXPECT_EQ(block().outage, Outage::not_anchored) << "durable, and not anchored";
  EXPECT_EQ(block().outage, Outage::not_anchored) << "kept, and still not anchored";
  EXPECT_EQ(block().status, 200);
  EXPECT_EQ(world.count_events(EventKind::blocked), 1U);
}

INSTANTIATE_TEST_SUITE_P(Disks, Keys24h, ::testing::Values(Disk::memory, Disk::sqlcipher));

}  // namespace
}  // namespace sigillo::appliance::testing
