// The contract of the Store port: one suite, on every implementation. A fake that does not keep it would let
// the appliance's tests pass for the wrong reason.
#include <algorithm>

#include <sealed_store/memory_store.hpp>

#include <set>

#include "testing.hpp"

namespace sigillo::sealed_store::testing {
namespace {

enum class Kind { sqlcipher, memory };

base::Bytes bytes(std::string_view text) {
  return {text.begin(), text.end()};
}

class StoreContract : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam() == Kind::memory) {
      store_ = std::make_unique<MemoryStore>();
      return;
    }
    auto opened = create_and_open(options(folder_ / "store.db"), witness_);
    ASSERT_OK(opened);
    store_ = std::move(*opened);
  }

  TempFolder folder_;
  FakeWitness witness_;
  std::unique_ptr<Store> store_;
};

TEST_P(StoreContract, a_new_store_is_empty) {
  EXPECT_EQ(store_->head().seq, 0u);
  EXPECT_EQ(store_->guard(guard_key(1)), GuardValue{});
  EXPECT_EQ(read(*store_, 1), "");
  EXPECT_TRUE(store_->ledger(0, 10)->empty());
  EXPECT_FALSE(store_->trouble());
}

TEST_P(StoreContract, a_replacement_keeps_the_queue_and_never_overwrites_a_change) {
  const auto id = record_key(1), other = record_key(2), gone = record_key(3);
  Changes first;
  first.puts.push_back(put_of(1, "old", 7, 1'000));
  first.puts.push_back(put_of(2, "old", 7, 1'000));
  ASSERT_OK(base::sync_wait(store_->commit(std::move(first))));
  Changes changed;
  changed.puts.push_back(put_of(2, "newer"));
  ASSERT_OK(base::sync_wait(store_->commit(std::move(changed))));
  Changes again;
  for (const auto& one : {id, other, gone}) again.replacements.push_back({one, bytes("old"), bytes("again")});
  ASSERT_OK(base::sync_wait(store_->commit(std::move(again))));
  EXPECT_EQ(read(*store_, 1), "again");
  EXPECT_EQ(read(*store_, 2), "newer");
  EXPECT_EQ(read(*store_, 3), "");
  const auto due = store_->due(7, {2'000}, 10);
  ASSERT_OK(due);
  ASSERT_EQ(due->size(), 1u);
  EXPECT_EQ(due->front().key, id);
  // Nothing to replace is nothing to write.
  const auto before = store_->head().seq;
  Changes none;
  none.replacements.push_back({id, bytes("old"), bytes("other")});
  ASSERT_OK(base::sync_wait(store_->commit(std::move(none))));
  EXPECT_EQ(store_->head().seq, before);
}

TEST_P(StoreContract, a_scan_gives_every_record_once) {
  std::set<RecordKey> put;
  Changes changes;
  for (unsigned i = 1; i <= 25; ++i) {
    put.insert(record_key(i));
    changes.puts.push_back(put_of(i, "x"));
  }
  ASSERT_OK(base::sync_wait(store_->commit(std::move(changes))));
  std::set<RecordKey> seen;
  std::optional<RecordKey> after;
  for (;;) {
    const auto page = store_->scan(after, 7);
    ASSERT_OK(page);
    if (page->empty()) break;
    for (const auto& one : *page) EXPECT_TRUE(seen.insert(one).second);
    after = page->back();
  }
  EXPECT_EQ(seen, put);
}

TEST_P(StoreContract, a_charge_counts_one_failure_and_is_in_the_ledger) {
  const auto attempt = charge(*store_, 1);
  ASSERT_OK(attempt);
  EXPECT_EQ(attempt->seq(), 1u);
  EXPECT_EQ(attempt->before(), GuardValue{});
  EXPECT_EQ(attempt->after(), (GuardValue{1, 0, {1'000}}));
  EXPECT_EQ(store_->guard(guard_key(1)), attempt->after());
  const auto entries = store_->ledger(0, 10);
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ(entries->front().event.kind, kCharge);
  EXPECT_EQ(entries->front().event.guard->second, attempt->after());
  EXPECT_EQ(store_->head().hash, entries->front().hash);
}

TEST_P(StoreContract, a_caller_may_say_what_a_charge_counts) {
  auto charge = charge_of(*store_, 1);
  charge.event.guard.emplace(charge.key, GuardValue{0, 1, {7}});
  const auto attempt = base::sync_wait(store_->charge(std::move(charge)));
  ASSERT_OK(attempt);
  EXPECT_EQ(store_->guard(guard_key(1)), (GuardValue{0, 1, {7}}));
}

TEST_P(StoreContract, a_charge_against_another_value_is_a_conflict_and_leaves_nothing) {
  auto late = charge_of(*store_, 1);
  ASSERT_OK(charge(*store_, 1));
  EXPECT_ERRC(base::sync_wait(store_->charge(std::move(late))), Errc::conflict);
  EXPECT_EQ(store_->guard(guard_key(1)).failures, 1);
  EXPECT_EQ(store_->head().seq, 1u);
}

TEST_P(StoreContract, a_settle_sets_the_count_and_the_record_in_one_commit) {
  auto attempt = charge(*store_, 1);
  ASSERT_OK(attempt);
  Changes changes;
  changes.events.push_back(event(kSettle, 1));
  changes.events.back().guard.emplace(guard_key(1), GuardValue{});
  changes.puts.push_back(put_of(1, "active"));
  ASSERT_OK(base::sync_wait(store_->settle(std::move(*attempt), std::move(changes))));
  EXPECT_EQ(store_->guard(guard_key(1)), GuardValue{});
  EXPECT_EQ(read(*store_, 1), "active");
  EXPECT_EQ(store_->ledger(1, 1)->front().event.attempt, 1u);
}

TEST_P(StoreContract, a_refund_puts_the_count_back_and_names_its_charge) {
  ASSERT_OK(charge(*store_, 1));
  auto attempt = charge(*store_, 1);
  ASSERT_OK(attempt);
  store_->refund(std::move(*attempt), event(kRefund, 1));
  ASSERT_OK(put(*store_, 9, "a commit after which the refund is durable"));
  EXPECT_EQ(store_->guard(guard_key(1)), (GuardValue{1, 0, {1'000}}));
  const auto refund = store_->ledger(2, 1)->front();  // in the same commit or an earlier one
  EXPECT_EQ(refund.event.kind, kRefund);
  EXPECT_EQ(refund.event.attempt, 2u);
}

TEST_P(StoreContract, a_refund_after_another_charge_takes_away_only_its_own) {
  auto first = charge(*store_, 1);
  ASSERT_OK(first);
  ASSERT_OK(charge(*store_, 1));
  store_->refund(std::move(*first), event(kRefund, 1));
  ASSERT_OK(put(*store_, 9, "x"));
  EXPECT_EQ(store_->guard(guard_key(1)).failures, 1);
}

TEST_P(StoreContract, time_in_the_ledger_never_runs_back_whenever_an_entry_was_dated) {
  auto attempt = charge(*store_, 1);
  ASSERT_OK(attempt);
  ASSERT_OK(base::sync_wait(store_->commit({.events = {event(kChange, 2, 5'000)}})));
  store_->refund(std::move(*attempt), event(kRefund, 1, 1'000));
  ASSERT_OK(
      base::sync_wait(store_->commit({.events = {event(kChange, 2, 2'000), event(kChange, 3, 9'000)}})));
  const auto entries = store_->ledger(0, 100);
  ASSERT_OK(entries);
  std::int64_t last = 0;
  for (const auto& entry : *entries) {
    EXPECT_GE(entry.event.time.ms, last) << entry.seq;
    last = entry.event.time.ms;
  }
  EXPECT_EQ(last, 9'000);
}

TEST_P(StoreContract, counters_of_one_subject_are_apart) {
  ASSERT_OK(charge(*store_, 1));
  EXPECT_EQ(store_->guard({subject(1), 2}), GuardValue{});
}

TEST_P(StoreContract, records_are_overwritten_and_erased) {
  ASSERT_OK(put(*store_, 1, "one"));
  ASSERT_OK(put(*store_, 1, "two"));
  EXPECT_EQ(read(*store_, 1), "two");
  Changes changes;
  changes.erases.push_back(record_key(1));
  const auto committed = base::sync_wait(store_->commit(std::move(changes)));
  ASSERT_OK(committed);
  EXPECT_EQ(read(*store_, 1), "");
  // A change without an event of its own has one all the same.
  EXPECT_EQ(committed->last_seq, 3u);
  EXPECT_EQ(store_->ledger(2, 1)->front().event.kind, kEventStoreChange);
}

TEST_P(StoreContract, erases_come_before_puts_of_the_same_commit) {
  ASSERT_OK(put(*store_, 1, "old"));
  Changes changes;
  changes.erases.push_back(record_key(1));
  changes.puts.push_back(put_of(1, "new"));
  ASSERT_OK(base::sync_wait(store_->commit(std::move(changes))));
  EXPECT_EQ(read(*store_, 1), "new");
}

TEST_P(StoreContract, one_id_in_two_tables_is_two_records) {
  Changes changes;
  changes.puts.push_back(put_of(1, "first"));
  changes.puts.push_back(put_of(1, "second"));
  changes.puts.back().key.table = 2;
  ASSERT_OK(base::sync_wait(store_->commit(std::move(changes))));
  EXPECT_EQ(read(*store_, 1), "first");
  EXPECT_EQ(base::text(**store_->read(record_key(1, 2))), "second");
}

TEST_P(StoreContract, what_is_due_comes_oldest_first_and_within_the_limit) {
  Changes changes;
  changes.puts = {put_of(1, "a", 3, 30), put_of(2, "b", 3, 10), put_of(3, "c", 3, 20),
                  put_of(4, "d", 4, 1),  put_of(5, "e", 3, 99), put_of(6, "f", 0, 1)};
  ASSERT_OK(base::sync_wait(store_->commit(std::move(changes))));
  const auto due = store_->due(3, {50}, 2);
  ASSERT_EQ(due->size(), 2u);
  EXPECT_EQ((*due)[0].key, record_key(2));
  EXPECT_EQ((*due)[1].key, record_key(3));
  EXPECT_EQ((*due)[1].due.ms, 20);
  EXPECT_TRUE(store_->due(0, {50}, 9)->empty());
  const auto rest = store_->due(3, {50}, 2, due->back());
  ASSERT_EQ(rest->size(), 1u);
  EXPECT_EQ(rest->front().key, record_key(1));
  EXPECT_TRUE(store_->due(3, {50}, 2, rest->back())->empty());
}

TEST_P(StoreContract, records_whose_ids_are_alike_to_their_last_byte_are_kept_apart) {
  const auto alike = [](std::uint8_t last, std::uint8_t table) {
    auto put = put_of(7, std::to_string(last) + "/" + std::to_string(table), 3, last);
    put.key.id[15] = last;
    put.key.table = table;
    return put;
  };
  constexpr std::uint8_t kAlike = 12;
  Changes changes;
  for (std::uint8_t i = 0; i < kAlike; ++i)
    for (std::uint8_t table = 1; table <= 2; ++table) changes.puts.push_back(alike(i, table));
  ASSERT_OK(base::sync_wait(store_->commit(std::move(changes))));
  // One is taken away, one is changed, and the first comes back.
  Changes more;
  more.erases = {alike(3, 1).key, alike(5, 2).key};
  more.puts = {alike(8, 1)};
  more.puts[0].sealed = {1, 2, 3};
  ASSERT_OK(base::sync_wait(store_->commit(std::move(more))));
  Changes again;
  again.puts = {alike(3, 1)};
  ASSERT_OK(base::sync_wait(store_->commit(std::move(again))));
  std::size_t there = 0;
  for (std::uint8_t i = 0; i < kAlike; ++i) {
    for (std::uint8_t table = 1; table <= 2; ++table) {
      const auto wanted = alike(i, table);
      const auto found = store_->read(wanted.key);
      ASSERT_OK(found);
      if (i == 5 && table == 2) {
        EXPECT_FALSE(*found);
        continue;
      }
      ASSERT_TRUE(*found) << int(i) << "/" << int(table);
      EXPECT_EQ(base::text(**found), i == 8 && table == 1 ? "\1\2\3" : base::text(wanted.sealed));
      ++there;
    }
  }
  EXPECT_EQ(store_->due(3, {99}, 99)->size(), there);
  std::set<RecordKey> seen;
  std::optional<RecordKey> after;
  for (;;) {
    const auto part = store_->scan(after, 1);
    ASSERT_OK(part);
    if (part->empty()) break;
    EXPECT_TRUE(seen.insert(part->front()).second);
    after = part->front();
  }
  EXPECT_EQ(seen.size(), there);
}

TEST_P(StoreContract, what_is_due_at_one_moment_is_seen_once_each_in_parts) {
  Changes changes;
  for (std::uint8_t i = 0; i < 20; ++i) changes.puts.push_back(put_of(i, "x", 3, 30));
  ASSERT_OK(base::sync_wait(store_->commit(std::move(changes))));
  std::vector<DueRecord> seen;
  for (;;) {
    const auto part = store_->due(3, {30}, 3, seen.empty() ? std::nullopt : std::optional(seen.back()));
    if (part->empty()) break;
    seen.insert(seen.end(), part->begin(), part->end());
  }
  EXPECT_EQ(seen.size(), 20u);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
}

TEST_P(StoreContract, events_of_one_commit_stay_in_order_and_the_chain_holds) {
  Changes changes;
  for (std::uint16_t i = 0; i < 5; ++i)
    changes.events.push_back(event(static_cast<std::uint16_t>(200 + i), i));
  const auto committed = base::sync_wait(store_->commit(std::move(changes)));
  ASSERT_OK(committed);
  EXPECT_EQ(committed->first_seq, 1u);
  EXPECT_EQ(committed->last_seq, 5u);
  const auto entries = store_->ledger(0, 10);
  for (std::uint16_t i = 0; i < 5; ++i) EXPECT_EQ((*entries)[i].event.kind, 200 + i);
  EXPECT_EQ(chain_of(*store_), "holds");
}

TEST_P(StoreContract, a_commit_of_nothing_is_nothing) {
  ASSERT_OK(charge(*store_, 1));
  const auto committed = base::sync_wait(store_->commit({}));
  ASSERT_OK(committed);
  EXPECT_EQ(committed->last_seq, 1u);
  EXPECT_EQ(store_->head().seq, 1u);
}

LedgerBase base_of(Store& store, std::uint64_t seq) {
  const auto entries = store.ledger(seq - 1, 1);
  return {seq, entries && !entries->empty() ? entries->front().hash : base::Digest{}, "a note"};
}

TEST_P(StoreContract, a_pruned_ledger_begins_after_its_base_and_says_so) {
  for (std::uint32_t n = 1; n <= 6; ++n) ASSERT_OK(charge(*store_, n));
  const auto base = base_of(*store_, 4);
  const auto pruned = base::sync_wait(store_->prune(base, event(kChange, 9)));
  ASSERT_OK(pruned);
  EXPECT_EQ(pruned->last_seq, 7u);
  EXPECT_EQ(store_->ledger_base().seq, 4u);
  EXPECT_EQ(store_->ledger_base().hash, base.hash);
  EXPECT_EQ(store_->ledger_base().note, "a note");
  EXPECT_EQ(store_->ledger(4, 10)->front().seq, 5u);
  EXPECT_EQ(chain_of(*store_), "holds");
  for (std::uint32_t n = 1; n <= 6; ++n) EXPECT_EQ(store_->guard(guard_key(n)).failures, 1);
}

TEST_P(StoreContract, nothing_is_pruned_up_to_the_head_beyond_it_or_with_another_hash) {
  for (std::uint32_t n = 1; n <= 6; ++n) ASSERT_OK(charge(*store_, n));
  auto wrong = base_of(*store_, 3);
  wrong.hash[0] ^= 1;
  for (const auto& base : {base_of(*store_, 6), base_of(*store_, 7), wrong, LedgerBase{}})
    EXPECT_ERRC(base::sync_wait(store_->prune(base, event(kChange, 9))), Errc::conflict);
  EXPECT_EQ(store_->head().seq, 6u);
  EXPECT_EQ(store_->ledger_base().seq, 0u);
  const auto base = base_of(*store_, 3);
  ASSERT_OK(base::sync_wait(store_->prune(base, event(kChange, 9))));
  EXPECT_ERRC(base::sync_wait(store_->prune(base, event(kChange, 9))), Errc::conflict) << "a second time";
}

TEST_P(StoreContract, what_is_due_at_one_moment_is_found_by_it) {
  Changes changes;
  changes.puts = {put_of(1, "a", 3, 30), put_of(2, "b", 3, 10), put_of(3, "c", 3, 30), put_of(4, "d", 4, 30)};
  ASSERT_OK(base::sync_wait(store_->commit(std::move(changes))));
  EXPECT_EQ(store_->due_at(3, {30})->size(), 2u);
  EXPECT_EQ(store_->due_at(3, {10})->front().key, record_key(2));
  EXPECT_TRUE(store_->due_at(3, {29})->empty());
}

TEST_P(StoreContract, the_members_of_a_queue_are_all_of_it_whenever_they_are_due) {
  Changes changes;
  changes.puts = {put_of(1, "a", 3, 30), put_of(2, "b", 3, -1), put_of(3, "c", 3, std::int64_t{1} << 60),
                  put_of(4, "d", 4, 30), put_of(5, "e")};
  ASSERT_OK(base::sync_wait(store_->commit(std::move(changes))));
  const auto keys_of = [this] {
    std::vector<RecordKey> out;
    const auto members = store_->members(3);
    for (const auto& one : *members) out.push_back(one.key);
    return out;
  };
  EXPECT_EQ(keys_of(), (std::vector{record_key(2), record_key(1), record_key(3)}));
  Changes next;
  next.puts = {put_of(1, "later", 3, 90), put_of(2, "elsewhere", 4, 1), put_of(3, "nowhere"),
               put_of(5, "in", 3, 1)};
  ASSERT_OK(base::sync_wait(store_->commit(std::move(next))));
  EXPECT_EQ(keys_of(), (std::vector{record_key(5), record_key(1)}));
  Changes last;
  last.erases = {record_key(1), record_key(5)};
  ASSERT_OK(base::sync_wait(store_->commit(std::move(last))));
  EXPECT_TRUE(keys_of().empty());
  EXPECT_EQ(store_->members(4)->size(), 2u);
}

TEST_P(StoreContract, every_counter_is_in_the_block_of_its_subject) {
  for (std::uint32_t n = 1; n <= 6; ++n) ASSERT_OK(charge(*store_, n));
  for (std::uint32_t n = 1; n <= 6; ++n) {
    const auto block = store_->guards_of(base::read_be<std::uint16_t>(subject(n)));
    const auto mine = std::ranges::find(block, guard_key(n), &std::pair<GuardKey, GuardValue>::first);
    ASSERT_NE(mine, block.end());
    EXPECT_EQ(mine->second, (GuardValue{1, 0, {1'000}}));
  }
}

TEST_P(StoreContract, a_large_record_is_kept_whole) {
  const std::string large(100'000, 'x');
  ASSERT_OK(put(*store_, 1, large));
  EXPECT_EQ(read(*store_, 1), large);
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreContract, ::testing::Values(Kind::sqlcipher, Kind::memory),
                         [](const auto& with) {
                           return with.param == Kind::memory ? "memory" : "sqlcipher";
                         });

TEST(MemoryStoreFaults, a_commit_fails_before_or_after_it_is_durable) {
  MemoryStore store;
  store.fail_next(1);
  EXPECT_ERRC(charge(store, 1), Errc::unavailable);
  EXPECT_EQ(store.head().seq, 0u);
  store.fail_next(1, Errc::not_witnessed);
  EXPECT_ERRC(charge(store, 1), Errc::not_witnessed);
  EXPECT_EQ(store.head().seq, 2u);  // the charge and its refund
  EXPECT_EQ(store.guard(guard_key(1)), GuardValue{});
  EXPECT_TRUE(charge(store, 1));
}

}  // namespace
}  // namespace sigillo::sealed_store::testing
