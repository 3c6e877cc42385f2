// Start-up: what is in memory before a stop is in memory after it, whatever was folded when.
#include <algorithm>
#include <map>
#include <random>

#include "database.hpp"
#include "testing.hpp"

namespace sigillo::sealed_store::testing {
namespace {

TEST(Fold, random_histories_come_back_the_same_through_folds_and_restarts) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  TempFolder folder;
  FakeWitness witness;
  auto with = options(folder / "store.db");
  with.fold_every = 7;
  auto opened = create_and_open(with, witness);
  ASSERT_OK(opened);
  auto store = std::move(*opened);
  constexpr std::uint32_t kSubjects = 20;
  std::map<std::uint32_t, GuardValue> guards;
  std::map<std::uint32_t, std::string> records;
  for (int round = 0; round < 8; ++round) {
    for (int i = 0; i < 60; ++i) {
      const auto n = static_cast<std::uint32_t>(random() % kSubjects);
      switch (random() % 4) {
        case 0:
          ASSERT_OK(charge(*store, n));
          guards[n] = store->guard(guard_key(n));
          break;
        case 1: {
          Changes changes;
          changes.events.push_back(event(kSettle, n));
          changes.events.back().guard.emplace(guard_key(n), GuardValue{});
          ASSERT_OK(base::sync_wait(store->commit(std::move(changes))));
          guards[n] = {};
          break;
        }
        case 2:
          records[n] = std::to_string(random());
          ASSERT_OK(put(*store, n, records[n]));
          break;
        default: {
          Changes changes;
          changes.erases.push_back(record_key(n));
          ASSERT_OK(base::sync_wait(store->commit(std::move(changes))));
          records[n].clear();
        }
      }
    }
    store.reset();
    auto reopened = SqlCipherStore::open(with, keys(), witness);
    ASSERT_OK(reopened);
    store = std::move(*reopened);
    for (std::uint32_t n = 0; n < kSubjects; ++n) {
      EXPECT_EQ(store->guard(guard_key(n)), guards[n]) << n;
      EXPECT_EQ(read(*store, n), records[n]) << n;
    }
  }
  EXPECT_EQ(chain_of(*store), "holds");
}

TEST(Fold, folds_are_written_and_the_replay_begins_after_them) {
  TempFolder folder;
  FakeWitness witness;
  auto with = options(folder / "store.db");
  with.fold_every = 10;
  auto opened = create_and_open(with, witness);
  ASSERT_OK(opened);
  for (std::uint32_t n = 0; n < 40; ++n) ASSERT_OK(charge(**opened, n));
  std::vector<std::uint64_t> starts;
  const auto entries = (*opened)->ledger(0, 100);
  for (const auto& entry : *entries) {
    if (entry.event.kind != kEventStoreFold) continue;
    EXPECT_TRUE(entry.root && entry.guard_hash);
    starts.push_back(entry.event.attempt);
  }
  ASSERT_GE(starts.size(), 3u);
  EXPECT_GT(starts.back(), 30u);
}

TEST(Fold, its_slices_are_spread_between_commits_and_not_after_each) {
  TempFolder folder;
  FakeWitness witness;
  auto with = options(folder / "store.db");
  with.fold_every = 41'000;  // of which the most slices that a fold can have, 4096, stand 10 apart
  auto opened = create_and_open(with, witness);
  ASSERT_OK(opened);
  Changes many;
  for (std::uint32_t n = 0; n < 200; ++n) many.puts.push_back(put_of(n, "a bucket each"));
  many.events.assign(with.fold_every, event(kChange, 0));
  ASSERT_OK(base::sync_wait((*opened)->commit(std::move(many))));
  for (int i = 0; i < 120; ++i) {
    Changes one;
    one.events.push_back(event(kChange, 0));
    ASSERT_OK(base::sync_wait((*opened)->commit(std::move(one))));
  }
  std::vector<std::uint64_t> slices;
  const auto entries = (*opened)->ledger(with.fold_every, 1000);
  ASSERT_OK(entries);
  std::uint64_t replay_from = 0;
  for (const auto& entry : *entries) {
    if (entry.event.kind != kEventStoreFold) continue;
    EXPECT_TRUE(slices.empty() || entry.seq >= slices.back() + 10) << entry.seq;
    slices.push_back(entry.seq);
    replay_from = entry.event.attempt;
  }
  EXPECT_GE(slices.size(), 6u);
  EXPECT_GT(replay_from, with.fold_every) << "it did not end";
}

// How much is left of the log of buckets.
std::int64_t logged(const std::string& path) {
  auto db = Database::open(path, keys().page_key, Database::Access::read);
  EXPECT_OK(db);
  auto query = db->prepare("SELECT count(*) FROM bucket_log");
  EXPECT_OK(query);
  auto cursor = (*query)();
  EXPECT_TRUE(*cursor.next());
  return cursor.integer(0);
}

TEST(Fold, what_it_needs_no_more_goes_in_slices_and_every_state_in_between_opens) {
  TempFolder folder;
  FakeWitness witness;
  auto with = options(folder / "store.db");
  with.fold_every = 2'600;  // more than two slices
  auto opened = create_and_open(with, witness);
  ASSERT_OK(opened);
  auto store = std::move(*opened);
  constexpr std::uint32_t kSubjects = 10;  // each again and again: an old state of each is in the log
  std::map<std::uint32_t, std::string> records;
  std::uint32_t changes = 0;
  const auto change = [&] {
    const auto n = changes++ % kSubjects;
    records[n] = std::to_string(changes);
    ASSERT_OK(put(*store, n, records[n]));
  };
  while (store->head().seq < with.fold_every) change();
  std::vector<std::int64_t> left;
  for (int i = 0; i < 12; ++i) {
    change();
    store.reset();
    left.push_back(logged(with.path));
    auto reopened = SqlCipherStore::open(with, keys(), witness);
    ASSERT_OK(reopened);
    store = std::move(*reopened);
    for (const auto& [n, record] : records) EXPECT_EQ(read(*store, n), record) << n;
  }
  EXPECT_GT(left.front(), 2'500);
  EXPECT_TRUE(std::ranges::any_of(left, [](auto rows) { return rows > 100 && rows < 2'000; })) << "at once";
  EXPECT_LT(left.back(), 20);
}

TEST(Opening, a_file_of_a_newer_schema_is_refused_untouched) {
  TempFolder folder;
  FakeWitness witness;
  ASSERT_OK(SqlCipherStore::create(options(folder / "store.db"), keys()));
  {
    auto db = Database::open(folder / "store.db", keys().page_key, Database::Access::write);
    ASSERT_OK(db);
    ASSERT_OK(db->run("UPDATE meta SET value=99 WHERE key=1"));
  }
  EXPECT_ERRC(SqlCipherStore::open(options(folder / "store.db"), keys(), witness), Errc::schema);
  EXPECT_EQ(witness.taken_over(), 0u);
}

TEST(Opening, a_wrong_page_key_and_a_missing_file_are_refused) {
  TempFolder folder;
  FakeWitness witness;
  ASSERT_OK(SqlCipherStore::create(options(folder / "store.db"), keys()));
  auto wrong = keys();
  wrong.page_key.writable()[5] ^= 1;
  EXPECT_ERRC(SqlCipherStore::open(options(folder / "store.db"), std::move(wrong), witness), Errc::corrupt);
  EXPECT_ERRC(SqlCipherStore::open(options(folder / "none.db"), keys(), witness), Errc::unavailable);
}

TEST(Opening, an_existing_file_is_not_made_anew) {
  TempFolder folder;
  ASSERT_OK(SqlCipherStore::create(options(folder / "store.db"), keys()));
  EXPECT_ERRC(SqlCipherStore::create(options(folder / "store.db"), keys()), Errc::unavailable);
}

TEST(Opening, another_fresh_key_finds_the_store_stale) {
  TempFolder folder;
  FakeWitness witness;
  auto opened = create_and_open(options(folder / "store.db"), witness);
  ASSERT_OK(opened);
  ASSERT_OK(put(**opened, 1, "x"));
  opened->reset();
  auto other = keys();
  other.fresh_key.writable()[5] ^= 1;
  EXPECT_ERRC(SqlCipherStore::open(options(folder / "store.db"), std::move(other), witness), Errc::stale);
}

}  // namespace
}  // namespace sigillo::sealed_store::testing
