// The store's file under other keys: a copy beside a store that is written to, and the exchange beneath those
// who use it. Whatever is cut off, there is one good store under the name.
#include <atomic>
#include <future>
#include <thread>
#include <tuple>

#include <sealed_store/reopenable_store.hpp>
#include <sealed_store/store_copy.hpp>

#include "database.hpp"
#include "testing.hpp"

namespace sigillo::sealed_store::testing {
namespace {

bool exists(const std::string& path) {
  return std::filesystem::exists(path);
}

struct StoreCopyTest : ::testing::Test {
  TempFolder folder;
  StoreOptions with = options(folder / "store.db");
  FakeWitness witness;

  std::unique_ptr<Store> filled(unsigned records) {
    with.fold_every = 40;  // so that the file has folds, and a tail beyond the last
    auto store = std::move(*create_and_open(with, witness));
    for (unsigned i = 1; i <= records; ++i) EXPECT_OK(put(*store, i, "value " + std::to_string(i)));
    for (unsigned i = 1; i <= 7; ++i) EXPECT_OK(charge(*store, i));
    return store;
  }
  base::Result<std::unique_ptr<StoreCopy>> begin() { return StoreCopy::begin(with, keys(), next_keys()); }
  void expect_all(Store& store, unsigned records) {
    for (unsigned i = 1; i <= records; ++i) EXPECT_EQ(read(store, i), "value " + std::to_string(i));
    for (unsigned i = 1; i <= 7; ++i) EXPECT_EQ(store.guard(guard_key(i)).failures, 1u);
    EXPECT_EQ(chain_of(store), "holds");
  }
};

TEST_F(StoreCopyTest, a_copy_has_everything_and_opens_with_the_new_keys_alone) {
  filled(120).reset();
  {
    auto copy = begin();
    ASSERT_OK(copy);
    const auto changed = (*copy)->catch_up({});
    ASSERT_OK(changed);
    EXPECT_GT(*changed, 100u);
    EXPECT_EQ(*(*copy)->catch_up({}), 0u);
    ASSERT_OK((*copy)->verify());
    ASSERT_OK((*copy)->finish());
  }
  EXPECT_FALSE(exists(with.path + ".rekey"));
  EXPECT_FALSE(*opens_with(with.path, keys().page_key));
  EXPECT_TRUE(*opens_with(with.path, next_keys().page_key));
  EXPECT_FALSE(SqlCipherStore::open(with, keys(), witness));
  auto store = SqlCipherStore::open(with, next_keys(), witness);
  ASSERT_OK(store);
  expect_all(**store, 120);
  ASSERT_OK(put(**store, 1, "after"));
  store->reset();
  store = SqlCipherStore::open(with, next_keys(), witness);
  ASSERT_OK(store);
  EXPECT_EQ(read(**store, 1), "after");
}

TEST_F(StoreCopyTest, what_changes_meanwhile_is_caught_up) {
  ReopenableStore store(filled(60));
  Changes queued;
  queued.puts = {put_of(201, "in", 9, 1), put_of(202, "in", 9, 2)};
  ASSERT_OK(base::sync_wait(store.commit(std::move(queued))));
  auto copy = begin();
  ASSERT_OK(copy);
  ASSERT_OK((*copy)->catch_up({}));
  ASSERT_OK(put(store, 5, "changed"));
  ASSERT_OK(put(store, 500, "new"));
  Changes gone;
  gone.events.push_back(event(kChange, 6));
  gone.erases = {record_key(6), record_key(201)};
  gone.puts = {put_of(203, "in", 9, 3)};
  ASSERT_OK(base::sync_wait(store.commit(std::move(gone))));
  EXPECT_EQ(*(*copy)->catch_up({}), 5u);
  ASSERT_OK(put(store, 7, "last"));
  const auto exchange = [&]() -> ReopenableStore::Opened {
    SIGILLO_CHECK((*copy)->finish());
    return SqlCipherStore::open(with, next_keys(), witness);
  };
  ASSERT_OK(store.reopen(exchange));
  EXPECT_EQ(read(store, 5), "changed");
  EXPECT_EQ(read(store, 500), "new");
  EXPECT_EQ(read(store, 6), "");
  EXPECT_EQ(read(store, 7), "last");
  EXPECT_EQ(read(store, 8), "value 8");
  const auto members = store.members(9);
  ASSERT_OK(members);
  ASSERT_EQ(members->size(), 2u);
  EXPECT_EQ(members->back().key, record_key(203));
  EXPECT_EQ(chain_of(store), "holds");
}

TEST_F(StoreCopyTest, a_copy_that_is_given_up_leaves_nothing_on_the_disk) {
  ReopenableStore store(filled(60));
  const auto copies = [&] {
    int found = 0;
    for (const auto& file :
         std::filesystem::directory_iterator(std::filesystem::path(with.path).parent_path()))
      found += file.path().string().find(".rekey") == std::string::npos ? 0 : 1;
    return found;
  };
  {
    auto copy = begin();
    ASSERT_OK(copy);
    ASSERT_OK((*copy)->catch_up({}));
    EXPECT_GT(copies(), 0);
  }
  EXPECT_EQ(copies(), 0);
  ASSERT_OK(put(store, 5, "goes on"));
}

TEST_F(StoreCopyTest, an_exchange_under_load_refuses_and_loses_nothing) {
  ReopenableStore store(filled(50));
  std::atomic<bool> stop = false;
  std::atomic<unsigned> wrong = 0, done = 0;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (unsigned n = 0; !stop; ++n) {
        const auto id = 1'000 + t * 100 + n % 50;
        const auto text = std::to_string(n);
        if (!put(store, id, text) || read(store, id) != text) ++wrong;
        const auto attempt = charge(store, 100 + t);
        if (!attempt) ++wrong;
        ++done;
      }
    });
  }
  const auto wait_for = [&](unsigned more) {
    const auto until = done + more;
    while (done < until && wrong == 0) std::this_thread::yield();
  };
  wait_for(30);
  auto copy = begin();
  ASSERT_OK(copy);
  ASSERT_OK((*copy)->catch_up({}));
  ASSERT_OK((*copy)->catch_up({}));
  const auto exchange = [&]() -> ReopenableStore::Opened {
    SIGILLO_CHECK((*copy)->finish());
    return SqlCipherStore::open(with, next_keys(), witness);
  };
  const auto exchanged = store.reopen(exchange);
  EXPECT_OK(exchanged);
  wait_for(30);
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(chain_of(store), "holds");
  std::uint64_t charged = 0;
  for (unsigned t = 0; t < 3; ++t) charged += store.guard(guard_key(100 + t)).failures;
  EXPECT_EQ(charged, done.load());
}

// /metrics asks on an I/O thread, with every connection of that thread behind it.
TEST_F(StoreCopyTest, what_a_scrape_asks_for_is_told_while_the_store_is_exchanged) {
  ReopenableStore store(filled(20));
  ASSERT_OK(charge(store, 100));
  const auto told = [&store] {
    return std::tuple{store.head().seq, store.ledger_base().seq, store.guards(), store.stale()};
  };
  const auto before = told();
  auto during = before;
  const auto exchange = [&]() -> ReopenableStore::Opened {
    during = {};
    during = std::async(std::launch::async, told).get();  // never, where one of them waits
    return SqlCipherStore::open(with, keys(), witness);
  };
  ASSERT_OK(store.reopen(exchange));
  EXPECT_EQ(during, before);
  EXPECT_EQ(told(), before);
  EXPECT_GT(std::get<2>(before), 0u);
}

TEST_F(StoreCopyTest, somebody_elses_connection_keeps_the_old_file_in_its_place) {
  ReopenableStore store(filled(20));
  const auto reader = LedgerReader::open(with.path, keys().page_key);
  ASSERT_OK(reader);
  ASSERT_OK((*reader)->read(0, 1));
  auto copy = begin();
  ASSERT_OK(copy);
  ASSERT_OK((*copy)->catch_up({}));
  bool finished = true;
  const auto exchange = [&]() -> ReopenableStore::Opened {
    finished = static_cast<bool>((*copy)->finish());
    return SqlCipherStore::open(with, keys(), witness);
  };
  ASSERT_OK(store.reopen(exchange));
  EXPECT_FALSE(finished);
  expect_all(store, 20);
}

TEST_F(StoreCopyTest, an_old_row_that_is_put_in_while_it_is_copied_is_not_copied) {
  filled(30).reset();
  {
    auto db = Database::open(with.path, keys().page_key, Database::Access::write);
    ASSERT_OK(db);
    ASSERT_OK(db->run("UPDATE record SET sealed=x'76616c7565' WHERE sealed=CAST('value 3' AS BLOB)"));
  }
  auto copy = begin();
  ASSERT_OK(copy);
  EXPECT_ERRC((*copy)->catch_up({}), Errc::stale);
}

TEST_F(StoreCopyTest, a_store_that_cannot_be_opened_again_answers_unavailable_until_it_can) {
  ReopenableStore store(filled(5));
  const auto fails = []() -> ReopenableStore::Opened {
    return base::Error(Errc::unavailable, "as the test has asked");
  };
  EXPECT_FALSE(store.reopen(fails));
  EXPECT_ERRC(put(store, 1, "x"), Errc::unavailable);
  EXPECT_EQ(read(store, 1), "!301");
  EXPECT_TRUE(store.trouble().has_value());
  const auto opens = [&] { return SqlCipherStore::open(with, keys(), witness); };
  ASSERT_OK(store.reopen(opens));
  expect_all(store, 5);
}

}  // namespace
}  // namespace sigillo::sealed_store::testing
