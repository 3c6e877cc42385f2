// Keys that rotate beside a serving appliance: nothing that was right turns wrong, and what is retired is not
// needed any more.
#include "rotation.hpp"

#include <thread>

#include "resealer.hpp"
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

struct Rotation : ::testing::TestWithParam<Disk> {
  World world{GetParam()};
  KeyRegister registered;
  void SetUp() override {
    world.config.allow_weak_policy = true;
    world.start();
    registered = *KeyRegister::read(world.token);
  }
  KeyWork work() { return {world.token, registered, world.ring(), world.config}; }
  void rotate(const char* use) {
    const auto next = next_key(work(), *find_use(use), world.clock.now());
    ASSERT_TRUE(next) << next.error().detail();
    ASSERT_TRUE(switch_to(work(), *next, world.clock.now()));
  }
  KeyCounts counts() { return *count_records(world.engine().context(), {}, {}); }
  void reseal() {
    Resealer resealer(world.engine().context());
    while (resealer.await(base::seconds(60)).running) {
    }
    EXPECT_FALSE(resealer.state().failed);
  }
};

TEST_P(Rotation, APinOfBeforeVerifiesAndIsRemadeUnderTheNewKey) {
  const auto active = world.active(1);
  const auto half = world.provisional(2);
  rotate("verifier");
  EXPECT_GT(counts().verifiers[1], 0U);
  EXPECT_NE(world.verify(active, active.pin).as<Verified>(), nullptr);
  EXPECT_NE(world.verify(half, half.first).as<Verified>(), nullptr);
  EXPECT_NE(world.verify(half, half.whole()).as<Verified>(), nullptr);
  EXPECT_TRUE(world.verify(active, kWrong8).is(Rejection::Outcome::rejected));
  auto left = counts().verifiers;
  EXPECT_EQ(left[2], 3U) << "the definitive PIN and both halves";
  // The cards that were given with the requests are all that still needs the old key.
  world.restart();
  registered = *KeyRegister::read(world.token);
  EXPECT_NE(world.verify(active, active.pin).as<Verified>(), nullptr);
  ASSERT_TRUE(destroy_key(work(), {KeyLabels::verifier, 1}, world.clock.now()));
  EXPECT_NE(world.verify(active, active.pin).as<Verified>(), nullptr);
  EXPECT_NE(world.verify(half, half.whole()).as<Verified>(), nullptr);
  EXPECT_FALSE(destroy_key(work(), {KeyLabels::verifier, 2}, world.clock.now())) << "it is active";
}

TEST_P(Rotation, AnHsmThatIsAwayWhileAVerifierIsRemadeCostsNobodyAnything) {
  const auto active = world.active(1);
  rotate("verifier");
  world.token.fail(hsm::FakeToken::Call::hmac, 3, hsm::Errc::unavailable);  // index, comparison, remaking
  EXPECT_NE(world.verify(active, active.pin).as<Verified>(), nullptr);
  EXPECT_EQ(world.count(active), 0U);
  world.token.heal();
  EXPECT_NE(world.verify(active, active.pin).as<Verified>(), nullptr);
}

TEST_P(Rotation, ReceiptsAreOfTheNewKeyAndTheOldOnesStayPublished) {
  const auto active = world.active(1);
  rotate("receipt");
  rotate("ledger");
  const auto keys = world.ring().snapshot();
  EXPECT_EQ(keys->receipt_kid, "sigillo.receipt-v2");
  EXPECT_EQ(keys->ledger_kid, "sigillo.ledger-v2");
  EXPECT_EQ(keys->published.size(), 4U);
  EXPECT_NE(world.verify(active, active.pin, true).as<Verified>(), nullptr);
  ASSERT_TRUE(destroy_key(work(), {KeyLabels::receipt, 1}, world.clock.now()));
  EXPECT_EQ(world.ring().snapshot()->published.size(), 4U) << "what it signed is still verified";
}

TEST_P(Rotation, RecordsComeUnderTheNewRecordKeyAndTheOldOneIsNotNeeded) {
  const auto active = world.active(1);
  const auto other = world.provisional(2);
  ASSERT_TRUE(switch_record_key(work(), world.clock.now()));
  EXPECT_NE(world.verify(active, active.pin).as<Verified>(), nullptr);
  EXPECT_GT(counts().records[1], 0U);
  const auto due = world.store().due(static_cast<std::uint8_t>(Queue::subject), {INT64_MAX}, 100)->size();
  reseal();
  EXPECT_EQ(counts().records[1], 0U);
  EXPECT_EQ(counts().records[2], counts().total);
  EXPECT_EQ(world.store().due(static_cast<std::uint8_t>(Queue::subject), {INT64_MAX}, 100)->size(), due);
  ASSERT_TRUE(drop_record_key(work(), 1, world.clock.now()));
  EXPECT_FALSE(drop_record_key(work(), 2, world.clock.now())) << "it is active";
  world.restart();
  EXPECT_NE(world.verify(active, active.pin).as<Verified>(), nullptr);
  EXPECT_NE(world.verify(other, other.whole()).as<Verified>(), nullptr);
}

TEST_P(Rotation, AResealThatWasCutOffGoesOn) {
  const auto active = world.active(1);
  ASSERT_TRUE(switch_record_key(work(), world.clock.now()));
  world.store().fail_write(1);
  {
    Resealer resealer(world.engine().context());
    while (resealer.await(base::seconds(60)).running) {
    }
    EXPECT_TRUE(resealer.state().failed);
  }
  EXPECT_GT(counts().records[1], 0U);
  world.restart();
  reseal();
  EXPECT_EQ(counts().records[1], 0U);
  EXPECT_NE(world.verify(active, active.pin).as<Verified>(), nullptr);
}

TEST_P(Rotation, ARepeatOfARequestThatTheStoreKeysRotationFoundRunningIsNotDone) {
  const auto citizen = world.active(1);
  const auto block = [&] {
    return world.call(Role::branch, Block{citizen.subject, "op-1", "lost"}, "key-1");
  };
  world.held.hold(1);
  Outcome first;
  std::thread running([&] { first = block(); });
  world.held.await_held();
  rotate("store");
  const auto during = block();
  world.held.release();
  running.join();
  EXPECT_TRUE(during.is(Refusal::idempotency_key_in_use)) << describe(during);
  EXPECT_NE(first.as<BlockedNow>(), nullptr) << describe(first);
  const auto after = block();
  EXPECT_FALSE(after.answer) << "nothing was decided";
  EXPECT_EQ(after.text, first.text);
  EXPECT_EQ(world.count_events(EventKind::blocked), 1U);
}

TEST_P(Rotation, InProductionTheServerMakesNoKey) {
  world.config.allow_weak_policy = false;
  EXPECT_FALSE(next_key(work(), *find_use("receipt"), world.clock.now()));
  EXPECT_FALSE(next_key(work(), *find_use("index"), world.clock.now()));
  EXPECT_EQ(KeyRegister::read(world.token)->newest(KeyLabels::receipt), 1);
}

INSTANTIATE_TEST_SUITE_P(Disks, Rotation, ::testing::Values(Disk::memory, Disk::sqlcipher),
                         [](const auto& disk) {
                           return disk.param == Disk::memory ? "memory" : "sqlcipher";
                         });

}  // namespace
}  // namespace sigillo::appliance::testing
