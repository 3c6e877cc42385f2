// The store's file outside of a store: copied while one serves it, and checked whole before it is relied on.
#include <atomic>
#include <fstream>
#include <thread>

#include <sealed_store/store_file.hpp>

#include "database.hpp"
#include "testing.hpp"

namespace sigillo::sealed_store::testing {
namespace {

struct StoreFileTest : ::testing::Test {
  TempFolder folder;
  StoreOptions with = options(folder / "store.db");
  FakeWitness witness;
  const std::string copy = folder / "copy.db";

  std::unique_ptr<Store> filled(unsigned records, std::size_t size = 20) {
    with.fold_every = 40;  // so that the file has folds, and a tail beyond the last
    auto store = std::move(*create_and_open(with, witness));
    for (unsigned i = 1; i <= records; ++i) EXPECT_OK(put(*store, i, std::string(size, 'v')));
    for (unsigned i = 1; i <= 7; ++i) EXPECT_OK(charge(*store, i));
    return store;
  }
  base::Result<void> take(const FileProgress& progress = {}) const {
    return copy_store_file(with.path, copy, keys().page_key, progress);
  }
  base::Result<StoreContents> check(const std::string& path) const {
    SIGILLO_TRY(const auto file, StoreFile::open(path, keys()));
    return file->check({});
  }
  base::Result<StoreContents> check() const { return check(copy); }
  void edit(const char* sql) const {
    auto db = Database::open(copy, keys().page_key, Database::Access::write);
    ASSERT_OK(db);
    ASSERT_OK(db->run(sql));
  }
  static std::string bytes(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::size_t things() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& one :
         std::filesystem::directory_iterator(std::filesystem::path(copy).parent_path()))
      ++count;
    return count;
  }
};

TEST_F(StoreFileTest, a_copy_beside_a_store_is_whole_and_its_check_leaves_everything_as_it_was) {
  auto store = filled(120);
  const auto head = store->head();
  ASSERT_OK(take());
  store.reset();
  const auto before = bytes(copy);
  const auto beside = things();
  const auto contents = check();
  ASSERT_OK(contents);
  EXPECT_EQ(contents->head.seq, head.seq);
  EXPECT_EQ(contents->head.hash, head.hash);
  EXPECT_EQ(contents->entries, head.seq);
  EXPECT_EQ(contents->records, 120u);
  EXPECT_EQ(contents->base.seq, 0u);
  EXPECT_GE(contents->schema, 2u);
  EXPECT_EQ(bytes(copy), before);
  EXPECT_EQ(things(), beside) << "no WAL, no index of one";
  EXPECT_EQ(std::filesystem::status(copy).permissions(), std::filesystem::perms(0600));
  auto again = options(copy);
  const auto opened = SqlCipherStore::open(again, keys(), witness);
  ASSERT_OK(opened);
  EXPECT_EQ(read(**opened, 5), std::string(20, 'v'));
  EXPECT_EQ((*opened)->guard(guard_key(3)).failures, 1u);
}

TEST_F(StoreFileTest, a_checked_file_gives_single_things) {
  filled(30);
  ASSERT_OK(take());
  const auto file = StoreFile::open(copy, keys());
  ASSERT_OK(file);
  const auto contents = (*file)->check({});
  ASSERT_OK(contents);
  EXPECT_EQ(base::text(**(*file)->read(record_key(4))), std::string(20, 'v'));
  EXPECT_FALSE(*(*file)->read(record_key(400)));
  EXPECT_EQ(*(*file)->hash_at(contents->head.seq), contents->head.hash);
  EXPECT_FALSE(*(*file)->hash_at(contents->head.seq + 1));
  EXPECT_FALSE(StoreFile::open(copy, next_keys()));
}

// sqlite3_backup begins anew when somebody else commits, unless its source stands in a snapshot: commits go
// on between any two steps here, and each page is copied once.
TEST_F(StoreFileTest, a_copy_ends_while_commits_go_on_without_pause) {
  auto store = filled(150, 32 * 1024);
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> commits = 0, failed = 0;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (unsigned n = 0; !stop; ++n) {
        if (!put(*store, 1'000 + t * 100 + n % 50, std::to_string(n)) || !charge(*store, 100 + t)) ++failed;
        ++commits;
      }
    });
  }
  const auto first = store->head().seq;
  std::uint64_t done = 0;
  unsigned steps = 0;
  bool back = false;
  const auto copied = take([&](std::uint64_t now, std::uint64_t total) {
    const auto until = commits + 5;
    while (commits < until && failed == 0) std::this_thread::yield();
    back = back || now < done || now > total;
    done = now;
    return ++steps < 100;
  });
  const auto last = store->head().seq;
  stop = true;
  for (auto& thread : threads) thread.join();
  ASSERT_OK(copied);
  EXPECT_FALSE(back) << "it began anew";
  EXPECT_GT(steps, 3u);
  EXPECT_EQ(failed, 0u);
  const auto contents = check();
  ASSERT_OK(contents);
  EXPECT_GE(contents->head.seq, first);
  EXPECT_LT(contents->head.seq, last) << "of the moment when it began";
  EXPECT_EQ(chain_of(*store), "holds");
}

TEST_F(StoreFileTest, a_copy_is_stopped_when_it_is_told_to_and_never_written_over_something) {
  const auto store = filled(100, 32 * 1024);
  EXPECT_ERRC(take([](std::uint64_t, std::uint64_t) { return false; }), FileErrc::stopped);
  EXPECT_ERRC(take(), FileErrc::exists);
  std::filesystem::remove(copy);
  ASSERT_OK(take());
  ASSERT_OK(check());
}

TEST_F(StoreFileTest, a_record_of_yesterday_is_told_from_todays) {
  auto store = filled(60);
  ASSERT_OK(take());
  const auto yesterday = folder / "yesterday.db";
  std::filesystem::rename(copy, yesterday);
  ASSERT_OK(put(*store, 9, "today"));
  ASSERT_OK(take());
  ASSERT_OK(check());
  {
    const auto old = StoreFile::open(yesterday, keys());
    ASSERT_OK(old);
    const auto row = (*old)->read(record_key(9));
    ASSERT_OK(row);
    auto db = Database::open(copy, keys().page_key, Database::Access::write);
    ASSERT_OK(db);
    auto edit = db->prepare("UPDATE record SET sealed=? WHERE id=?");
    ASSERT_OK(edit);
    ASSERT_OK(edit->run(**row, subject(9)));
  }
  EXPECT_ERRC(check(), Errc::stale);
}

TEST_F(StoreFileTest, an_entry_that_no_start_would_look_at_is_looked_at) {
  filled(200);
  ASSERT_OK(take());
  ASSERT_OK(check());
  edit("UPDATE ledger SET entry=(SELECT entry FROM ledger WHERE seq=4) WHERE seq=3");  // far before the fold
  EXPECT_ERRC(check(), Errc::corrupt);
}

TEST_F(StoreFileTest, a_file_of_another_version_is_told_from_a_damaged_one) {
  filled(60);
  ASSERT_OK(take());
  for (const char* version :
       {"UPDATE meta SET value=2 WHERE key=1", "UPDATE meta SET value=99 WHERE key=1"}) {
    edit(version);
    EXPECT_ERRC(check(), Errc::schema) << version;
  }
}

TEST_F(StoreFileTest, any_byte_that_was_altered_is_noticed) {
  filled(60);
  ASSERT_OK(take());
  const auto good = bytes(copy);
  for (std::size_t at = 100; at < good.size(); at += good.size() / 23) {
    auto bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    std::ofstream(copy, std::ios::binary | std::ios::trunc) << bad;
    EXPECT_FALSE(check()) << at;
  }
  std::ofstream(copy, std::ios::binary | std::ios::trunc) << good.substr(0, good.size() - 4096);
  EXPECT_FALSE(check()) << "cut short";
  std::ofstream(copy, std::ios::binary | std::ios::trunc) << good;
  ASSERT_OK(check());
}

TEST_F(StoreFileTest, a_file_with_a_wal_beside_it_is_not_taken_for_all_of_it) {
  const auto store = filled(20);
  EXPECT_ERRC(check(with.path), Errc::unavailable);
}

TEST_F(StoreFileTest, a_pruned_ledger_is_checked_from_its_base_on) {
  auto store = filled(50);
  const auto entries = store->ledger(29, 1);
  ASSERT_OK(entries);
  ASSERT_OK(base::sync_wait(store->prune({30, entries->front().hash, "note"}, event(kChange, 1))));
  ASSERT_OK(put(*store, 3, "after"));
  ASSERT_OK(take());
  const auto contents = check();
  ASSERT_OK(contents);
  EXPECT_EQ(contents->base.seq, 30u);
  EXPECT_EQ(contents->base.note, "note");
  EXPECT_EQ(contents->entries, contents->head.seq - 30);
}

}  // namespace
}  // namespace sigillo::sealed_store::testing
