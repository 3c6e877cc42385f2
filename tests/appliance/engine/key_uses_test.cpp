// The uses of the record key: counted over restarts and kills, a warning's line, and an end with a way out.
#include "key_uses.hpp"
#include "rotation.hpp"
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

using sealed_store::RecordSealer;

struct KeyUsesOf : public ::testing::Test {
  KeyUsesOf() { start(); }
  void start() {
    world.start();
    uses = std::make_unique<KeyUses>(world.engine().context());
    sealed_store::Changes changes;
    EXPECT_TRUE(uses->begin(changes));
    EXPECT_TRUE(base::sync_wait(world.store().commit(std::move(changes))));
  }
  void stop() {
    sealed_store::Changes changes;
    uses->end(changes);
    EXPECT_TRUE(base::sync_wait(world.store().commit(std::move(changes))));
    kill();
  }
  void kill() {
    uses.reset();
    world.stop();
  }
  RecordSealer& sealer() { return *world.ring().snapshot()->sealer; }
  // As if it had sealed so often.
  void set(std::uint64_t count) { sealer().count_from(count - sealer().uses()); }
  void rotate() {
    KeyRegister registered = *KeyRegister::read(world.token);
    ASSERT_TRUE(switch_record_key({world.token, registered, world.ring(), world.config}, world.clock.now()));
  }

  World world;
  std::unique_ptr<KeyUses> uses;
};

TEST_F(KeyUsesOf, AKillLosesNothingThatWasUsedAndABlockAtMost) {
  const auto before = sealer().uses();
  world.active(1);
  EXPECT_GT(sealer().uses(), before) << "sealing is what counts";
  const auto used = sealer().uses();
  kill();
  start();
  EXPECT_GE(sealer().uses(), used);
  EXPECT_LE(sealer().uses(), used + kUsesBlock + 8);
}

TEST_F(KeyUsesOf, AKillBeforeANewKeysFirstReservationLosesNothing) {
  rotate();
  set(20'000);  // in its first second
  kill();
  start();
  EXPECT_GE(sealer().uses(), 20'000U);
}

TEST_F(KeyUsesOf, ACleanStopCostsNoBlock) {
  const auto used = sealer().uses();
  for (int i = 0; i < 4; ++i) {
    stop();
    start();
  }
  EXPECT_GE(sealer().uses(), used);
  EXPECT_LT(sealer().uses(), used + kUsesBlock);
}

TEST_F(KeyUsesOf, TheNextBlockIsReservedBeforeThisOneIsUsed) {
  set(10 * kUsesBlock);
  uses->keep();
  const auto writes = world.store().writes();
  uses->keep();
  EXPECT_EQ(world.store().writes(), writes) << "no write where nothing is to be reserved";
  set(10 * kUsesBlock + kUsesBlock / 2 + 10);
  uses->keep();
  EXPECT_EQ(world.store().writes(), writes + 1);
  const auto used = sealer().uses();
  kill();
  start();
  EXPECT_GE(sealer().uses(), used);
}

TEST_F(KeyUsesOf, AReservationThatTheDiskRefusesIsMadeAgain) {
  set(3 * kUsesBlock);
  world.store().fail_write(1);
  uses->keep();
  const auto writes = world.store().writes();
  uses->keep();
  EXPECT_EQ(world.store().writes(), writes + 1);
}

TEST_F(KeyUsesOf, AtItsEndNothingIsChargedAndARotationIsTheWayOut) {
  auto citizen = world.active(1);
  set(kUsesStop - 1000);
  EXPECT_TRUE(world.engine().readiness().ready);
  EXPECT_FALSE(world.verify(citizen, citizen.pin).outage);
  set(kUsesStop);
  const auto readiness = world.engine().readiness();
  EXPECT_FALSE(readiness.ready);
  EXPECT_EQ(readiness.reasons, std::vector<std::string>{kRecordKeyUsedUp});
  const auto entries = world.entries().size();
  EXPECT_EQ(world.verify(citizen, kWrong8).outage, Outage::store_unavailable);
  EXPECT_EQ(world.entries().size(), entries);
  EXPECT_EQ(world.count(citizen), 0u);
  // Over a restart as well, which has little to reserve and reserves little.
  uses->keep();
  kill();
  start();
  EXPECT_EQ(world.verify(citizen, citizen.pin).outage, Outage::store_unavailable);
  EXPECT_LT(sealer().uses(), kUsesStop + 1000);
  rotate();
  EXPECT_LT(sealer().uses(), 100u);
  EXPECT_TRUE(world.engine().readiness().ready);
  EXPECT_FALSE(world.verify(citizen, citizen.pin).outage);
  uses->keep();
  EXPECT_GE(*uses->of(1), kUsesStop);
}

TEST_F(KeyUsesOf, ARotationOfAnotherKeyGoesOnWithTheCount) {
  set(5000);
  auto keys = find_keys(world.token, *KeyRegister::read(world.token));
  ASSERT_TRUE(keys);
  world.ring().replace(std::move(*keys));
  EXPECT_GE(sealer().uses(), 5000u);
  EXPECT_LT(sealer().uses(), 5100u);
}

TEST_F(KeyUsesOf, TheLastUseSealsAndTheOneAfterItIsRefusedByTheStore) {
  set(RecordSealer::kUsesMax - 1);
  const auto& context = world.engine().context();
  const auto put = [&] {
    return base::sync_wait(
        context.store.commit({.puts = {context.put(Table::key_uses, Id{}, KeyUsesRecord{1})}}));
  };
  EXPECT_TRUE(put());
  EXPECT_EQ(sealer().uses(), RecordSealer::kUsesMax);
  const auto refused = put();
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(sealed_store::Errc::unsealed));
  EXPECT_EQ(sealer().uses(), RecordSealer::kUsesMax);
  EXPECT_EQ(context.load<KeyUsesRecord>(Table::key_uses, Id{})->value().reserved, 1u);
}

}  // namespace
}  // namespace sigillo::appliance::testing
