// A ledger whose beginning was let go: the rows go a few at a time, a start never needs them, and nothing
// that was counted is lost. What a prune may not do: take away what a start reads, or bring an old store
// back.
#include <fstream>
#include <latch>

#include "database.hpp"
#include "testing.hpp"

namespace sigillo::sealed_store::testing {
namespace {

class Prune : public ::testing::Test {
 protected:
  void SetUp() override {
    with_ = options(folder_ / "store.db");
    auto opened = create_and_open(with_, witness_);
    ASSERT_OK(opened);
    store_ = std::move(*opened);
  }
  void charges(std::uint32_t count) {
    for (std::uint32_t n = 0; n < count; ++n) ASSERT_OK(charge(*store_, n % 20));
  }
  base::Result<Committed> prune(std::uint64_t seq) {
    SIGILLO_TRY(const auto entries, store_->ledger(seq - 1, 1));
    return base::sync_wait(
        store_->prune({seq, entries.front().hash, "note " + std::to_string(seq)}, event(kChange, 99)));
  }
  // Rows of the file, counted behind the store's back.
  std::int64_t rows() {
    auto db = Database::open(with_.path, keys().page_key, Database::Access::read);
    EXPECT_OK(db);
    auto query = db->prepare("SELECT count(*) FROM ledger");
    auto cursor = (*query)();
    EXPECT_TRUE(*cursor.next());
    return cursor.integer(0);
  }
  // Rows go on the writer's thread while it is idle: commits make it pass by, until they are gone.
  void wait_for_rows(std::int64_t below) {
    for (int i = 0; i < 1000 && rows() >= below; ++i) ASSERT_OK(put(*store_, 7, std::to_string(i)));
    EXPECT_LT(rows(), below);
  }
  void restart() {
    store_.reset();
    auto opened = SqlCipherStore::open(with_, keys(), witness_);
    ASSERT_OK(opened);
    store_ = std::move(*opened);
  }

  TempFolder folder_;
  FakeWitness witness_;
  StoreOptions with_;
  std::unique_ptr<Store> store_;
};

TEST_F(Prune, rows_go_counts_stay_and_a_start_does_without_them) {
  charges(200);
  const auto before = store_->guard(guard_key(3));
  ASSERT_OK(prune(150));
  wait_for_rows(150);
  EXPECT_EQ(store_->ledger(0, 1)->front().seq, 151u);
  EXPECT_EQ(chain_of(*store_), "holds");
  restart();
  EXPECT_EQ(store_->ledger_base().seq, 150u);
  EXPECT_EQ(store_->ledger_base().note, "note 150");
  EXPECT_EQ(store_->ledger(0, 1)->front().seq, 151u);
  EXPECT_EQ(chain_of(*store_), "holds");
  EXPECT_EQ(store_->guard(guard_key(3)), before);
  charges(5);
  ASSERT_OK(prune(180));
  wait_for_rows(100);
  restart();
  EXPECT_EQ(store_->ledger(0, 1)->front().seq, 181u);
}

TEST_F(Prune, of_two_in_one_commit_the_second_does_not_take_the_beginning_back) {
  charges(60);
  const auto base_at = [&](std::uint64_t seq) {
    return LedgerBase{seq, store_->ledger(seq - 1, 1)->front().hash, "note " + std::to_string(seq)};
  };
  const auto further = base_at(50);
  const auto nearer = base_at(20);
  witness_.hold(true);
  // While this one's record does not come back, what needs the witness waits for company.
  std::latch done(3);
  std::optional<base::Result<Committed>> first, second;
  Changes one;
  one.events.push_back(event(kChange, 1));
  base::start(store_->commit(std::move(one)), [&](const base::Result<Committed>&) { done.count_down(); });
  base::start(store_->prune(further, event(kChange, 99)), [&](base::Result<Committed> result) {
    first = result;
    done.count_down();
  });
  base::start(store_->prune(nearer, event(kChange, 99)), [&](base::Result<Committed> result) {
    second = result;
    done.count_down();
  });
  witness_.hold(false);
  done.wait();
  EXPECT_TRUE(*first);
  ASSERT_FALSE(*second);
  EXPECT_TRUE(second->error().is(Errc::conflict));
  EXPECT_EQ(store_->ledger_base().seq, 50u);
}

TEST_F(Prune, a_large_part_goes_in_slices_and_goes_on_after_a_restart) {
  Changes many;
  for (std::uint32_t n = 0; n < 9'000; ++n) many.events.push_back(event(kChange, n));
  ASSERT_OK(base::sync_wait(store_->commit(std::move(many))));
  ASSERT_OK(prune(8'500));
  restart();  // at most a slice or two are gone
  wait_for_rows(700);
  EXPECT_EQ(store_->ledger(0, 1)->front().seq, 8'501u);
  EXPECT_EQ(chain_of(*store_), "holds");
}

TEST_F(Prune, an_entry_that_a_start_may_need_is_kept_until_the_witness_is_beyond_it) {
  charges(50);
  store_.reset();
  with_.mode = WitnessMode::interval;
  with_.interval = base::hours(24);
  restart();
  witness_.hold(true);
  charges(50);  // durable, not recorded
  ASSERT_OK(prune(90));
  charges(10);
  EXPECT_GE(rows(), 110);
  witness_.hold(false);
  store_.reset();  // a clean stop records
  restart();
  wait_for_rows(90);
}

TEST_F(Prune, a_store_of_before_the_prune_is_refused) {
  charges(50);
  store_.reset();
  std::filesystem::copy_file(with_.path, folder_ / "old.db");
  restart();
  ASSERT_OK(prune(30));
  wait_for_rows(40);
  store_.reset();
  std::filesystem::copy_file(folder_ / "old.db", with_.path,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_ERRC(SqlCipherStore::open(with_, keys(), witness_), Errc::rolled_back);
}

TEST_F(Prune, a_ledger_cut_at_its_beginning_beyond_the_last_fold_is_refused) {
  charges(50);
  store_.reset();
  {
    auto db = Database::open(with_.path, keys().page_key, Database::Access::write);
    ASSERT_OK(db);
    ASSERT_OK(db->run("DELETE FROM ledger WHERE seq<=30"));
    ASSERT_OK(db->run("INSERT INTO ledger_base SELECT 1, 30, zeroblob(32), 'made up'"));
  }
  EXPECT_ERRC(SqlCipherStore::open(with_, keys(), witness_), Errc::corrupt);
}

TEST_F(Prune, a_reader_beside_it_learns_the_base) {
  charges(50);
  ASSERT_OK(prune(30));
  auto reader = LedgerReader::open(with_.path, keys().page_key);
  ASSERT_OK(reader);
  EXPECT_EQ((*reader)->base()->seq, 30u);
  EXPECT_EQ((*reader)->read(30, 1)->front().seq, 31u);
}

TEST_F(Prune, a_file_of_the_first_schema_opens_and_can_be_pruned) {
  charges(50);
  const auto entries = *store_->ledger(0, 50);
  store_.reset();
  {
    auto db = Database::open(with_.path, keys().page_key, Database::Access::write);
    ASSERT_OK(db);
    ASSERT_OK(db->run(kBeforeQueueParts));
    ASSERT_OK(db->run("DROP TABLE ledger_base; UPDATE meta SET value=1 WHERE key=1"));
    auto change = db->prepare("UPDATE ledger SET entry=? WHERE seq=?");
    ASSERT_OK(change);
    for (const auto& entry : entries)
      ASSERT_OK(change->run(encode(entry), static_cast<std::int64_t>(entry.seq)));
  }
  restart();
  EXPECT_EQ(store_->ledger_base().seq, 0u);
  EXPECT_EQ(store_->guard(guard_key(3)).failures, 3);
  EXPECT_EQ(chain_of(*store_), "holds");
  ASSERT_OK(prune(30));
  wait_for_rows(40);
  restart();
  EXPECT_EQ(store_->ledger_base().seq, 30u);
}

}  // namespace
}  // namespace sigillo::sealed_store::testing
