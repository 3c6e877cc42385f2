// Commits in groups, and the witness: who waits for it, what its failure does, what fencing does.
#include <atomic>
#include <latch>

#include "testing.hpp"

namespace sigillo::sealed_store::testing {
namespace {

class Group : public ::testing::Test {
 protected:
  void open(StoreOptions with) {
    auto opened = create_and_open(with, witness_);
    ASSERT_OK(opened);
    store_ = std::move(*opened);
  }
  void SetUp() override { open(options(folder_ / "store.db")); }

  TempFolder folder_;
  FakeWitness witness_;
  std::unique_ptr<Store> store_;
};

base::Task<int> charge_many(Store& store, std::uint32_t n, int times) {
  int charged = 0;
  for (int i = 0; i < times; ++i) {
    auto charge = charge_of(store, n);
    auto attempt = co_await store.charge(std::move(charge));
    if (!attempt) continue;
    ++charged;
    Changes changes;
    changes.events.push_back(event(kSettle, n));
    changes.puts.push_back(put_of(n, std::to_string(i)));
    (void)co_await store.settle(std::move(*attempt), std::move(changes));
  }
  co_return charged;
}

TEST_F(Group, sixty_four_at_once_are_all_there_and_share_commits) {
  constexpr int kFlows = 64;
  constexpr int kTimes = 20;
  std::latch done(kFlows);
  std::atomic<int> charged = 0;
  const auto finished = [&](int count) {
    charged += count;
    done.count_down();
  };
  for (std::uint32_t n = 0; n < kFlows; ++n) base::start(charge_many(*store_, n, kTimes), finished);
  done.wait();
  EXPECT_EQ(charged, kFlows * kTimes);
  EXPECT_EQ(store_->head().seq, 2u * kFlows * kTimes);
  EXPECT_LT(witness_.records(), 2u * kFlows * kTimes) << "one record must cover many commits";
  for (std::uint32_t n = 0; n < kFlows; ++n) {
    EXPECT_EQ(store_->guard(guard_key(n)).failures, kTimes);
    EXPECT_EQ(read(*store_, n), std::to_string(kTimes - 1));
  }
  EXPECT_EQ(chain_of(*store_), "holds");
}

TEST_F(Group, of_many_charges_on_one_value_exactly_one_gets_the_slot) {
  constexpr int kFlows = 64;
  std::latch done(kFlows);
  std::atomic<int> charged = 0;
  std::atomic<int> conflicts = 0;
  const auto finished = [&](const base::Result<ChargedAttempt>& attempt) {
    if (attempt) ++charged;
    if (!attempt && attempt.error().is(Errc::conflict)) ++conflicts;
    done.count_down();
  };
  std::vector<Charge> charges;
  for (int i = 0; i < kFlows; ++i) charges.push_back(charge_of(*store_, 1));
  for (auto& charge : charges) base::start(store_->charge(std::move(charge)), finished);
  done.wait();
  EXPECT_EQ(charged, 1);
  EXPECT_EQ(conflicts, kFlows - 1);
  EXPECT_EQ(store_->guard(guard_key(1)).failures, 1);
}

TEST_F(Group, a_charge_is_told_only_once_it_is_witnessed) {
  witness_.hold(true);
  std::atomic<bool> told = false;
  std::latch done(1);
  const auto finished = [&](const base::Result<ChargedAttempt>& attempt) {
    EXPECT_OK(attempt);
    told = true;
    done.count_down();
  };
  auto charge = charge_of(*store_, 1);
  base::start(store_->charge(std::move(charge)), finished);
  Changes counts_only;
  counts_only.events.push_back(event(kSettle, 2));
  counts_only.witnessed = false;
  ASSERT_OK(base::sync_wait(store_->commit(std::move(counts_only))));  // goes past the one that waits
  EXPECT_GE(store_->head().seq, 2u);
  EXPECT_FALSE(told);
  witness_.hold(false);
  done.wait();
  EXPECT_GE(witness_.recorded()->value().seq, 1u);
}

TEST_F(Group, a_charge_that_is_not_witnessed_is_refunded_by_the_store) {
  witness_.fail(Errc::unavailable);
  EXPECT_ERRC(charge(*store_, 1), Errc::not_witnessed);
  EXPECT_TRUE(store_->trouble());
  Changes counts_only;
  counts_only.events.push_back(event(kSettle, 2));
  counts_only.witnessed = false;
  ASSERT_OK(base::sync_wait(store_->commit(std::move(counts_only))));
  EXPECT_EQ(store_->guard(guard_key(1)), GuardValue{});
  const auto entries = store_->ledger(0, 10);
  EXPECT_EQ((*entries)[1].event.kind, kRefund);
  EXPECT_EQ((*entries)[1].event.attempt, 1u);

  EXPECT_ERRC(put(*store_, 5, "durable all the same"), Errc::not_witnessed);
  EXPECT_EQ(read(*store_, 5), "durable all the same");

  witness_.fail(std::nullopt);
  ASSERT_OK(charge(*store_, 1));
  EXPECT_FALSE(store_->trouble());
}

TEST_F(Group, an_empty_commit_is_answered_once_all_that_stands_is_witnessed) {
  ASSERT_OK(base::sync_wait(store_->commit(Changes{})));
  witness_.fail(Errc::unavailable);
  EXPECT_ERRC(put(*store_, 1, "durable all the same"), Errc::not_witnessed);
  const auto head = store_->head().seq;
  EXPECT_ERRC(base::sync_wait(store_->commit(Changes{})), Errc::not_witnessed);
  witness_.fail(std::nullopt);
  ASSERT_OK(base::sync_wait(store_->commit(Changes{})));
  EXPECT_GE(witness_.recorded()->value().seq, head);
  EXPECT_EQ(store_->head().seq, head) << "it writes nothing";
}

TEST_F(Group, trouble_with_the_witness_ends_by_itself) {
  witness_.fail(Errc::unavailable);
  EXPECT_ERRC(charge(*store_, 1), Errc::not_witnessed);
  witness_.fail(std::nullopt);
  witness_.wait_recorded(1);
}

TEST_F(Group, a_fenced_store_answers_nothing_more) {
  ASSERT_OK(put(*store_, 1, "x"));
  witness_.fail(Errc::fenced);
  EXPECT_ERRC(charge(*store_, 1), Errc::fenced);
  witness_.fail(std::nullopt);
  EXPECT_ERRC(charge(*store_, 1), Errc::fenced);
  EXPECT_ERRC(put(*store_, 1, "y"), Errc::fenced);
  EXPECT_ERRC(store_->read(record_key(1)), Errc::fenced);
  EXPECT_TRUE(store_->trouble()->is(Errc::fenced));
}

TEST_F(Group, a_refund_that_was_asked_for_is_durable_after_a_clean_stop) {
  auto attempt = charge(*store_, 1);
  ASSERT_OK(attempt);
  store_->refund(std::move(*attempt), event(kRefund, 1));
  store_.reset();
  auto reopened = SqlCipherStore::open(options(folder_ / "store.db"), keys(), witness_);
  ASSERT_OK(reopened);
  EXPECT_EQ((*reopened)->guard(guard_key(1)), GuardValue{});
}

TEST_F(Group, interval_mode_does_not_wait_and_records_at_the_interval_and_at_the_stop) {
  auto with = options(folder_ / "interval.db");
  with.mode = WitnessMode::interval;
  with.interval = {20};
  witness_.set(std::nullopt);
  store_.reset();
  witness_.set(std::nullopt);
  open(with);
  witness_.hold(true);
  ASSERT_OK(charge(*store_, 1));  // the witness stands still
  witness_.hold(false);
  witness_.wait_recorded(1);
  witness_.hold(true);
  ASSERT_OK(charge(*store_, 1));
  witness_.hold(false);
  store_.reset();
  EXPECT_EQ(witness_.recorded()->value().seq, 2u);
}

TEST_F(Group, interval_mode_waits_for_what_asks_to_be_anchored) {
  auto with = options(folder_ / "anchored.db");
  with.mode = WitnessMode::interval;
  with.interval = base::hours(1);
  store_.reset();
  witness_.set(std::nullopt);
  open(with);
  ASSERT_OK(put(*store_, 1, "x"));
  EXPECT_EQ(witness_.recorded()->value().seq, 0u);
  Changes start{.puts = {{record_key(2), base::Bytes{1}}}, .anchored = true};
  ASSERT_OK(base::sync_wait(store_->commit(std::move(start))));
  EXPECT_EQ(witness_.recorded()->value().seq, 2u);
  witness_.fail(Errc::unavailable);
  Changes refused{.puts = {{record_key(3), base::Bytes{1}}}, .anchored = true};
  const auto committed = base::sync_wait(store_->commit(std::move(refused)));
  ASSERT_FALSE(committed);
  EXPECT_TRUE(committed.error().is(Errc::not_witnessed));
  witness_.fail(std::nullopt);
}

TEST_F(Group, the_ledger_is_read_from_outside_while_the_store_runs) {
  ASSERT_OK(put(*store_, 1, "x"));
  auto reader = LedgerReader::open(folder_ / "store.db", keys().page_key);
  ASSERT_OK(reader);
  EXPECT_EQ((*reader)->read(0, 10)->size(), 1u);
  ASSERT_OK(put(*store_, 1, "y"));
  const auto entries = (*reader)->read(1, 10);
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ(entries->front().hash, store_->head().hash);
}

}  // namespace
}  // namespace sigillo::sealed_store::testing
