// Lists of who stands in a queue, and yesterday's pages of the index that they are read from: a list is all
// of it, or refused as stale; never short.
#include <algorithm>
#include <fstream>

#include "database.hpp"
#include "fresh_queues.hpp"
#include "ledger_row.hpp"
#include "opening.hpp"
#include "testing.hpp"

namespace sigillo::sealed_store::testing {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::uint8_t kQueue = 25;
constexpr std::int64_t kNow = 1'795'000'000'000;

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class FreshQueuesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    with_ = options(folder_ / "store.db");
    with_.snapshot = {0};
    auto opened = create_and_open(with_, witness_);
    ASSERT_OK(opened);
    store_ = std::move(*opened);
  }
  // One commit; due as channels are, in the order of their making.
  void add(std::uint32_t from, std::uint32_t to) {
    Changes changes;
    for (auto n = from; n < to; ++n) changes.puts.push_back(put_of(n, "value", kQueue, kNow + n));
    ASSERT_OK(base::sync_wait(store_->commit(std::move(changes))));
  }
  void stop() { store_.reset(); }
  base::Result<void> start() {
    SIGILLO_TRY(store_, SqlCipherStore::open(with_, keys(), witness_));
    return base::ok();
  }
  base::Result<void> restart() {
    stop();
    return start();
  }
  void overwrite(std::string_view bytes) {
    std::ofstream(with_.path, std::ios::binary | std::ios::trunc)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    std::filesystem::remove(with_.path + "-wal");
  }
  void patch(std::size_t at, std::string_view bytes) {
    std::fstream file(with_.path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(at))
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  std::size_t listed() { return store_->members(kQueue)->size(); }

  TempFolder folder_;
  FakeWitness witness_;
  StoreOptions with_;
  std::unique_ptr<Store> store_;
};

TEST(FreshQueues, every_due_is_in_one_part_and_the_parts_of_a_queue_join) {
  for (const std::int64_t due :
       {INT64_MIN, std::int64_t{-1}, std::int64_t{0}, std::int64_t{1}, kNow, (std::int64_t{1} << 43) - 1,
        std::int64_t{1} << 43, std::int64_t{1} << 55, (std::int64_t{1} << 62) + 5, INT64_MAX}) {
    const auto part = FreshQueues::part_of(kQueue, due);
    const auto range = FreshQueues::range_of(part);
    EXPECT_EQ(range.queue, kQueue) << due;
    EXPECT_LE(range.first, due);
    EXPECT_GE(range.last, due);
    EXPECT_EQ(FreshQueues::part_of(kQueue, range.first), part) << due;
    EXPECT_EQ(FreshQueues::part_of(kQueue, range.last), part) << due;
    if (range.last == INT64_MAX) continue;
    EXPECT_EQ(FreshQueues::part_of(kQueue, range.last + 1), part + 1) << due;
  }
}

TEST_F(FreshQueuesTest, an_old_page_of_the_index_put_back_while_stopped_hides_nobody) {
  add(0, 300);
  stop();
  const auto old = slurp(with_.path);
  ASSERT_OK(start());
  add(300, 700);
  stop();
  const auto now = slurp(with_.path);
  const auto recorded = *witness_.recorded();
  std::size_t hints_short = 0, stale = 0;
  for (std::size_t at = kPage; at + kPage <= std::min(old.size(), now.size()); at += kPage) {
    if (old.compare(at, kPage, now, at, kPage) == 0) continue;
    witness_.set(recorded);
    overwrite(now);
    patch(at, std::string_view(old).substr(at, kPage));
    if (!start()) continue;
    const auto hint = store_->due(kQueue, {kNow * 2}, 1000);
    hints_short += hint && hint->size() < 700 ? 1 : 0;
    const auto members = store_->members(kQueue);
    if (members) {
      EXPECT_EQ(members->size(), 700u) << "page at " << at;
    } else {
      stale += members.error().is(Errc::stale) ? 1 : 0;
    }
    stop();
  }
  EXPECT_GT(hints_short, 0u) << "no page was one of the index that hides somebody: the attack was not made";
  EXPECT_GE(stale, hints_short);
}

TEST_F(FreshQueuesTest, an_old_page_of_the_index_put_back_while_running_hides_nobody) {
  add(0, 300);
  stop();
  const auto old = slurp(with_.path);
  ASSERT_OK(start());
  add(300, 700);
  stop();
  const auto now = slurp(with_.path);
  const auto recorded = *witness_.recorded();
  std::size_t stale = 0;
  for (std::size_t at = kPage; at + kPage <= std::min(old.size(), now.size()); at += kPage) {
    if (old.compare(at, kPage, now, at, kPage) == 0) continue;
    witness_.set(recorded);
    overwrite(now);
    ASSERT_OK(start());
    EXPECT_EQ(listed(), 700u);
    patch(at, std::string_view(old).substr(at, kPage));
    (void)charge(*store_, 1000);  // a commit, so that readers drop their cached pages
    const auto members = store_->members(kQueue);
    EXPECT_TRUE(!members || members->size() == 700u) << "page at " << at;
    stale += !members && members.error().is(Errc::stale) ? 1 : 0;
    stop();
  }
  EXPECT_GT(stale, 0u);
}

TEST_F(FreshQueuesTest, an_old_page_that_nobody_asks_for_is_found_by_the_next_look_through) {
  add(0, 300);
  stop();
  const auto old = slurp(with_.path);
  ASSERT_OK(start());
  add(300, 700);
  stop();
  const auto now = slurp(with_.path);
  const auto recorded = *witness_.recorded();
  with_.look_through = base::Duration{1};
  bool alarmed = false;
  for (std::size_t at = kPage; !alarmed && at + kPage <= std::min(old.size(), now.size()); at += kPage) {
    if (old.compare(at, kPage, now, at, kPage) == 0) continue;
    witness_.set(recorded);
    overwrite(now);
    ASSERT_OK(start());
    EXPECT_EQ(store_->stale(), 0u);
    patch(at, std::string_view(old).substr(at, kPage));
    // Commits, so that the reader drops its cached pages, for as long as a few looks take.
    for (int n = 0; n < 200 && store_->stale() == 0; ++n) (void)charge(*store_, 1000);
    alarmed = store_->stale() > 0;
    stop();
  }
  EXPECT_TRUE(alarmed);
}

TEST_F(FreshQueuesTest, who_was_taken_off_a_list_with_writable_schema_is_missed) {
  add(0, 20);
  Changes held;
  held.puts = {put_of(100, "a", 31, std::int64_t{1} << 60),
               put_of(101, "b", 31, (std::int64_t{1} << 60) + 1)};
  ASSERT_OK(base::sync_wait(store_->commit(std::move(held))));
  stop();
  {
    auto db = Database::open(with_.path, keys().page_key, Database::Access::write);
    ASSERT_OK(db);
    ASSERT_OK(
        db->run("DROP INDEX record_due; CREATE INDEX record_due ON record(queue, due, id, tbl) "
                "WHERE queue <> 0 AND queue <> 31 AND due <> 1795000000007; PRAGMA writable_schema=ON;"
                "UPDATE sqlite_master SET sql='CREATE INDEX record_due ON record(queue, due, id, tbl) "
                "WHERE queue <> 0' WHERE name='record_due'"));
  }
  ASSERT_OK(start());
  EXPECT_EQ(store_->due(kQueue, {kNow * 2}, 1000)->size(), 19u) << "the hint believes it";
  EXPECT_ERRC(store_->members(kQueue), Errc::stale);
  EXPECT_ERRC(store_->due_at(31, {std::int64_t{1} << 60}), Errc::stale);
  EXPECT_EQ(read(*store_, 7), "value") << "the record itself is there, and fresh";
}

TEST_F(FreshQueuesTest, lists_hold_after_a_start_from_the_log_from_a_fold_and_from_both) {
  with_.fold_every = 4;
  ASSERT_OK(restart());
  for (std::uint32_t n = 0; n < 30; ++n) {
    add(n * 3, n * 3 + 3);
    Changes gone;
    gone.erases = {record_key(n * 3)};
    ASSERT_OK(base::sync_wait(store_->commit(std::move(gone))));
    if (n % 7 == 0) ASSERT_OK(restart());
    EXPECT_EQ(listed(), (n + 1) * 2) << n;
  }
}

// As a release before this form left it: the last root is of the rows alone.
TEST_F(FreshQueuesTest, a_file_from_before_the_lists_were_counted_is_counted_once) {
  add(0, 50);
  const auto head = store_->head();
  auto last = store_->ledger(head.seq - 1, 1)->front();
  const auto before = head.seq > 1 ? store_->ledger(head.seq - 2, 1)->front().hash : base::Digest{};
  stop();
  {
    State state(keys().fresh_key.clone());
    auto db = Database::open(with_.path, keys().page_key, Database::Access::write);
    ASSERT_OK(db);
    ASSERT_OK(load_state(*db, witness_.recorded().value(), state));
    last.root = state.prf.root(state.rows.total());
    last.hash = chain_hash(before, last);
    auto update = db->prepare("UPDATE ledger SET entry=?, hash=? WHERE seq=?");
    ASSERT_OK(update);
    ASSERT_OK(update->run(pack_row(last), last.hash, static_cast<std::int64_t>(last.seq)));
    ASSERT_OK(db->run(kBeforeQueueParts));
    ASSERT_OK(db->run("UPDATE meta SET value=3 WHERE key=1"));
  }
  auto moved = head;
  moved.hash = last.hash;
  witness_.set(moved);
  ASSERT_OK(start());
  EXPECT_EQ(listed(), 50u);
  ASSERT_OK(restart()) << "no commit has been made since";
  EXPECT_EQ(listed(), 50u);
  add(50, 60);
  ASSERT_OK(restart());
  EXPECT_EQ(listed(), 60u);
}

}  // namespace
}  // namespace sigillo::sealed_store::testing
