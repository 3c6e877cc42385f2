// The sweep of a courier's queue: what expires behind others, what it costs while a courier is away.
#include <map>

#include "outbox_gauge.hpp"
#include "outbox_sweep.hpp"
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

constexpr int kWaiting = 500;

struct Outbox : ::testing::TestWithParam<Disk> {
  World world{GetParam()};
  std::optional<OutboxSweep> sweep;

  void SetUp() override {
    world.start();
    sweep.emplace(world.engine().context(), Medium::sms);
  }
  const Context& context() { return world.engine().context(); }
  static Id id(int number) {
    Id out{};
    out[0] = static_cast<std::uint8_t>(number >> 8);
    out[1] = static_cast<std::uint8_t>(number);
    return out;
  }
  void queue(int from, int count, base::Duration validity, std::uint32_t attempts = 0) {
    sealed_store::Changes changes;
    for (int i = from; i < from + count; ++i) {
      DeliveryRecord record;
      record.medium = Medium::sms;
      record.sealed = "sealed";
      record.attempts = attempts;
      record.expires = world.clock.now() + validity;
      changes.puts.push_back(context().put(Table::delivery, id(i), record, Queue::sms, world.clock.now()));
    }
    ASSERT_TRUE(base::sync_wait(context().store.commit(std::move(changes))));
  }
  void sweep_all() {
    int parts = 0;
    while (sweep->step()) ASSERT_LT(++parts, kWaiting) << "it has an end";
  }
  DeliveryRecord read(int number) { return **context().load<DeliveryRecord>(Table::delivery, id(number)); }
};

TEST_P(Outbox, WhatExpiresBehindAnyNumberThatDoNotIsErased) {
  queue(0, kWaiting, base::days(2));
  world.clock.advance(base::seconds(1));
  queue(kWaiting, 3, base::minutes(10));
  sweep_all();
  EXPECT_EQ(read(kWaiting).sealed, "sealed");
  world.clock.advance(base::minutes(10));
  sweep_all();
  for (int i = kWaiting; i < kWaiting + 3; ++i) {
    EXPECT_EQ(read(i).state, DeliveryState::expired);
    EXPECT_EQ(read(i).sealed, "");
  }
  EXPECT_EQ(read(0).sealed, "sealed") << "those in front of it have their time";
  world.clock.advance(base::days(2));
  sweep_all();
  for (int i = 0; i < kWaiting; ++i) ASSERT_EQ(read(i).state, DeliveryState::expired) << i;
}

TEST_P(Outbox, WhatNoCourierFetchesIsReadOnceAndNotInEveryRound) {
  queue(0, kWaiting, base::days(2));
  sweep_all();
  const auto before = world.store().reads();
  sweep_all();
  EXPECT_EQ(world.store().reads(), before);
  world.clock.advance(base::seconds(1));
  queue(kWaiting, 2, base::days(2));
  sweep_all();
  EXPECT_EQ(world.store().reads(), before + 2) << "the new ones";
}

TEST_P(Outbox, WhatWasTriedOftenEnoughFailsWhenItsLastLeaseHasEnded) {
  queue(0, 1, base::days(2), static_cast<std::uint32_t>(context().policy().delivery.attempts));
  sweep_all();
  EXPECT_EQ(read(0).state, DeliveryState::failed);
  EXPECT_EQ(read(0).sealed, "");
}

TEST_P(Outbox, TheLedgerSaysWhichDeliveriesEndedWithoutTheirCouriersWord) {
  queue(0, 1, base::minutes(1));
  queue(1, 1, base::days(2), context().policy().delivery.attempts);
  queue(2, 1, base::days(2));
  world.clock.advance(base::minutes(1));
  const auto before = world.store().head().seq;
  sweep_all();
  std::map<std::string, std::uint16_t> told;
  for (const auto& entry : world.entries(before))
    if (entry.event.kind == static_cast<std::uint16_t>(EventKind::delivery_given_up))
      told[entry.event.reference] = entry.event.outcome;
  const auto code = [](EventOutcome outcome) { return static_cast<std::uint16_t>(outcome); };
  EXPECT_EQ(told, (std::map<std::string, std::uint16_t>{{to_text(id(0)), code(EventOutcome::expired)},
                                                        {to_text(id(1)), code(EventOutcome::failed)}}));
  EXPECT_EQ(event_name(static_cast<std::uint16_t>(EventKind::delivery_given_up)), "delivery-given-up");
}

TEST_P(Outbox, AMeterShowsWhatWaitsHowLongAndHowItEnded) {
  OutboxGauge gauge(context(), Medium::sms);
  const auto shown = [this](const std::string& what, const std::string& medium = "sms") {
    return world.reading("sigillo_" + what, medium);
  };
  gauge.step();
  EXPECT_EQ(shown("deliveries_waiting"), 0);
  EXPECT_EQ(shown("deliveries_oldest_seconds"), 0);
  queue(0, 2500, base::hours(2));
  world.clock.advance(base::hours(1));
  const auto reads = world.store().reads();
  for (int page = 0; page < 3; ++page) gauge.step();
  EXPECT_EQ(shown("deliveries_waiting"), 2500);
  EXPECT_EQ(world.store().reads(), reads) << "the list of the queue, and no delivery";
  EXPECT_EQ(shown("deliveries_oldest_seconds"), 3600);
  EXPECT_EQ(shown("deliveries_waiting", "email"), 0);

  const auto lease = [this] { return world.call(Role::courier_sms, LeaseDeliveries{2}); };
  ASSERT_EQ(lease().as<Leases>()->deliveries.size(), 2U);
  AckDeliveries ack{{{to_text(id(0)), true, {}}}};
  ASSERT_FALSE(world.call(Role::courier_sms, std::move(ack)).outage);
  for (int page = 0; page < 3; ++page) gauge.step();
  EXPECT_EQ(shown("deliveries_waiting"), 2498) << "neither what was delivered, nor what is under way";
  EXPECT_EQ(shown("deliveries_delivered_total"), 1);
  EXPECT_EQ(shown("leases_lapsed_total"), 0);

  world.clock.advance(base::hours(1));
  sweep_all();
  for (int page = 0; page < 3; ++page) gauge.step();
  EXPECT_EQ(shown("deliveries_waiting"), 0);
  EXPECT_EQ(shown("deliveries_oldest_seconds"), 0);
  EXPECT_EQ(shown("deliveries_expired_total"), 2499);
  EXPECT_EQ(shown("leases_lapsed_total"), 1) << "of the other that was leased nothing was heard";
  EXPECT_EQ(shown("deliveries_failed_total"), 0);
}

TEST_P(Outbox, AClockThatIsSetBackHidesNothing) {
  queue(0, kWaiting, base::days(2));
  sweep_all();
  world.clock.set(kStart + base::minutes(-30));
  queue(kWaiting, 1, base::minutes(1));
  sweep_all();
  world.clock.set(kStart + base::minutes(1));
  sweep_all();
  EXPECT_EQ(read(kWaiting).state, DeliveryState::expired);
}

TEST_P(Outbox, APartThatTheStoreDoesNotTakeComesAgain) {
  if (GetParam() != Disk::memory) GTEST_SKIP() << "the memory's store fails on demand";
  queue(0, 20, base::minutes(1));
  world.clock.advance(base::minutes(1));
  world.memory().fail_next(1);
  EXPECT_FALSE(sweep->step());
  EXPECT_EQ(read(0).sealed, "sealed");
  sweep_all();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(read(i).state, DeliveryState::expired);
}

// (1) A page of the store is damaged, or put back; (2) the delivery in it stands first in its queue for good.
TEST_P(Outbox, ADeliveryThatCannotBeReadKeepsNoOtherFromItsCourier) {
  queue(0, 5, base::days(2));
  const auto key = record_key(Table::delivery, id(0));
  sealed_store::Changes garbage{
      .puts = {{key, base::Bytes(100, 7), static_cast<std::uint8_t>(Queue::sms), world.clock.now()}}};
  ASSERT_TRUE(base::sync_wait(context().store.commit(std::move(garbage))));
  world.store().damage(record_key(Table::delivery, id(1)));
  const auto lease = [this](std::uint32_t max) {
    std::vector<std::string> ids;
    const auto leased = world.call(Role::courier_sms, LeaseDeliveries{max});
    if (leased.as<Leases>() == nullptr) return std::vector<std::string>{describe(leased)};
    for (const auto& one : leased.as<Leases>()->deliveries) ids.push_back(one.delivery_id);
    return ids;
  };
  using Ids = std::vector<std::string>;
  EXPECT_EQ(lease(1), Ids{to_text(id(2))});
  EXPECT_EQ(lease(2), (Ids{to_text(id(3)), to_text(id(4))}));
  EXPECT_EQ(lease(1), Ids{});

  AckDeliveries acks;
  for (int i = 0; i < 5; ++i) acks.acks.push_back({to_text(id(i)), true, {}});
  const auto told = world.call(Role::courier_sms, std::move(acks));
  ASSERT_NE(told.as<AckResults>(), nullptr) << describe(told);
  std::vector<bool> recorded;
  for (const auto& one : told.as<AckResults>()->results) recorded.push_back(one.recorded);
  EXPECT_EQ(recorded, (std::vector<bool>{false, false, true, true, true}));
  sweep_all();
  EXPECT_EQ(world.reading("sigillo_alarms_total", "record-unreadable"), 2) << "each once, whoever met it";
  OutboxGauge gauge(context(), Medium::sms);
  world.clock.advance(base::hours(1));
  gauge.step();
  EXPECT_EQ(world.reading("sigillo_deliveries_oldest_seconds", "sms"), 0) << "no courier makes these go";

  world.store().mend(record_key(Table::delivery, id(1)));
  EXPECT_EQ(lease(1), Ids{to_text(id(1))});
}

TEST_P(Outbox, AStoreThatDoesNotServeIsNoLackOfDeliveries) {
  queue(0, 2, base::days(2));
  world.store().damage(record_key(Table::delivery, id(0)), sealed_store::Errc::unavailable);
  EXPECT_EQ(world.call(Role::courier_sms, LeaseDeliveries{2}).outage, Outage::store_unavailable);
}

INSTANTIATE_TEST_SUITE_P(Disks, Outbox, ::testing::Values(Disk::memory, Disk::sqlcipher),
                         [](const auto& with) {
                           return with.param == Disk::memory ? "memory" : "sqlcipher";
                         });

}  // namespace
}  // namespace sigillo::appliance::testing
