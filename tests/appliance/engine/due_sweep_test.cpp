// The sweep of what fell due: what it erases, and that nothing which it cannot read is in its way.
#include "due_sweep.hpp"
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

constexpr auto kOneRound = std::chrono::minutes(1);

struct Due : ::testing::TestWithParam<Disk> {
  World world{GetParam()};
  std::optional<DueSweep> sweep;

  void SetUp() override {
    world.start();
    sweep.emplace(world.engine());
  }
  static Id id(int number) {
    Id out{};
    out[0] = static_cast<std::uint8_t>(number >> 8);
    out[1] = static_cast<std::uint8_t>(number);
    return out;
  }
  static sealed_store::RecordKey delivery(int number) { return record_key(Table::delivery, id(number)); }
  void end_deliveries(int count) {
    sealed_store::Changes changes;
    DeliveryRecord record;
    record.state = DeliveryState::delivered;
    for (int i = 0; i < count; ++i)
      changes.puts.push_back(
          world.engine().context().put(Table::delivery, id(i), record, Queue::delivery, world.clock.now()));
    ASSERT_TRUE(base::sync_wait(world.store().commit(std::move(changes))));
  }
  std::size_t left(Queue queue) {
    const auto due = world.store().due(static_cast<std::uint8_t>(queue), world.clock.now(), 10'000);
    return due ? due->size() : 99'999;
  }
};

TEST_P(Due, AnOutcomeThatCannotBeErasedKeepsNoOtherFromItsEnd) {
  end_deliveries(300);
  world.store().damage(delivery(0));
  world.store().damage(delivery(1), sealed_store::Errc::corrupt);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(sweep->step(kOneRound)) << "and the counters are aged after it";
  EXPECT_EQ(left(Queue::delivery), 2U) << "what cannot be erased, and none of those behind it";
  EXPECT_EQ(world.reading("sigillo_alarms_total", "record-unreadable"), 2);

  const auto writes = world.store().writes();
  EXPECT_TRUE(sweep->step(kOneRound));
  EXPECT_EQ(world.store().writes(), writes) << "not tried in every round";
  world.store().mend(delivery(0));
  world.store().mend(delivery(1));
  world.clock.advance(base::minutes(1));
  EXPECT_TRUE(sweep->step(kOneRound));
  EXPECT_EQ(left(Queue::delivery), 0U);
  EXPECT_EQ(world.reading("sigillo_alarms_total", "record-unreadable"), 2);
}

TEST_P(Due, AStoreThatDoesNotServeIsAskedNoMoreInThisRound) {
  end_deliveries(3);
  world.store().fail_write(1);
  const auto writes = world.store().writes();
  EXPECT_FALSE(sweep->step(kOneRound));
  EXPECT_EQ(world.store().writes(), writes + 1);
  EXPECT_TRUE(sweep->step(kOneRound));
  EXPECT_EQ(left(Queue::delivery), 0U);
  EXPECT_EQ(world.reading("sigillo_alarms_total", "record-unreadable"), 0);
}

TEST_P(Due, AnswersGoManyAtOnceUntilNoneIsDue) {
  constexpr int kAnswers = 1500;
  sealed_store::Changes changes;
  const auto& context = world.engine().context();
  const auto now = world.clock.now();
  for (int i = 0; i < kAnswers; ++i) {
    const IdempotencyRecord record{{}, now, i % 2 == 0, 200, {}, base::Bytes(8, 7)};
    changes.puts.push_back(
        context.put(Table::idempotency, id(i), record, Queue::idempotency,
                    now + (record.secret ? idempotency::kSecretKept : idempotency::kKept)));
  }
  ASSERT_TRUE(base::sync_wait(world.store().commit(std::move(changes))));
  const auto kept = [&](int number) {
    return *context.load<IdempotencyRecord>(Table::idempotency, id(number));
  };
  world.clock.advance(idempotency::kSecretKept);
  auto before = world.store().head().seq;
  EXPECT_TRUE(sweep->step(kOneRound));
  EXPECT_LE(world.store().head().seq, before + 5) << "an entry of the ledger for two hundred";
  EXPECT_EQ(kept(0)->sealed.size(), 0U);
  EXPECT_EQ(kept(1)->sealed.size(), 8U);

  world.clock.advance(idempotency::kKept);
  const idempotency::KeyHeld running(world.engine().keys_in_flight(), {id(3)});
  before = world.store().head().seq;
  EXPECT_TRUE(sweep->step(kOneRound));
  EXPECT_LE(world.store().head().seq, before + 9);
  EXPECT_EQ(left(Queue::idempotency), 1U) << "whose request runs again";
  EXPECT_TRUE(world.engine().keys_in_flight().enter({id(4)})) << "let go with the commit";
}

TEST_P(Due, ARoundWhoseTimeIsUpGoesOnInTheNext) {
  end_deliveries(500);
  EXPECT_TRUE(sweep->step(std::chrono::seconds(0)));
  EXPECT_EQ(left(Queue::delivery), 300U);
  EXPECT_TRUE(sweep->step(kOneRound));
  EXPECT_EQ(left(Queue::delivery), 0U);
}

INSTANTIATE_TEST_SUITE_P(Disks, Due, ::testing::Values(Disk::memory, Disk::sqlcipher), [](const auto& with) {
  return with.param == Disk::memory ? "memory" : "sqlcipher";
});

}  // namespace
}  // namespace sigillo::appliance::testing
