// The disk fails at its N-th call, for every N, below the real SQLCipher. What was acknowledged stays, what
// failed left nothing or all of it, memory is what the disk says, and when the disk is back the store is,
// without a restart.
#include <map>

#include <sealed_store/store_file.hpp>

#include "testing.hpp"
#include "vfs_shim.hpp"

namespace sigillo::sealed_store::testing {
namespace {

using fault::FileCall;
using fault::FileFault;
using fault::VfsShim;

constexpr std::uint32_t kSubjects = 6;
constexpr unsigned long kSqliteFull = 13;

struct Case {
  const char* name;
  FileCall call;
  FileFault fault;
  bool lasting;
};

class Faults : public ::testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() { VfsShim::install(); }
  void SetUp() override {
    VfsShim::repair();
    template_ = options(folder_ / "template.db");
    auto opened = create_and_open(template_, witness_);
    ASSERT_OK(opened);
    for (std::uint32_t n = 0; n < kSubjects; ++n) {
      ASSERT_OK(charge(**opened, n));
      ASSERT_OK(put(**opened, n, "old"));
    }
    head_ = (*opened)->head();
  }
  void TearDown() override { VfsShim::repair(); }

  StoreOptions fresh_copy() {
    auto with = options(folder_ / "store.db");
    with.fold_every = 8;
    for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(with.path + suffix);
    std::filesystem::copy_file(template_.path, with.path, std::filesystem::copy_options::overwrite_existing);
    witness_.set(head_);
    return with;
  }

  // What each subject may show: the acknowledged value, and where the answer was lost, the other one too.
  struct Books {
    std::map<std::uint32_t, std::string> value;
    std::map<std::uint32_t, std::string> maybe;
    std::map<std::uint32_t, int> charged;  // acknowledged and not refunded
  };

  void traffic(Store& store, Books& books) {
    for (std::uint32_t n = 0; n < kSubjects; n += 2) {
      auto attempt = charge(store, n);
      if (!attempt) {
        EXPECT_TRUE(attempt.error().is(Errc::unavailable) || attempt.error().is(Errc::corrupt))
            << attempt.error().number() << " " << attempt.error().detail();
        if (attempt.error().raw() == kSqliteFull) {
          EXPECT_STREQ(attempt.error().detail(), "the disk is full");
        }
        continue;
      }
      ++books.charged[n];
      if (n == 2) {
        store.refund(std::move(*attempt), event(kRefund, n));
        --books.charged[n];
        continue;
      }
      Changes changes;
      changes.events.push_back(event(kSettle, n));
      changes.puts = {put_of(n, "new"), put_of(n + 1, "new")};
      const auto settled = base::sync_wait(store.settle(std::move(*attempt), std::move(changes)));
      (settled ? books.value : books.maybe)[n] = "new";
      (settled ? books.value : books.maybe)[n + 1] = "new";
    }
  }

  void check(Store& store, const Books& books) {
    for (std::uint32_t n = 0; n < kSubjects; ++n) {
      const auto value = books.value.contains(n) ? books.value.at(n) : "old";
      const auto now = read(store, n);
      if (books.maybe.contains(n)) {
        EXPECT_TRUE(now == value || now == books.maybe.at(n)) << n << ": " << now;
      } else {
        EXPECT_EQ(now, value) << n;
      }
      const int charged = books.charged.contains(n) ? books.charged.at(n) : 0;
      EXPECT_EQ(store.guard(guard_key(n)).failures, 1 + charged) << n;
    }
    for (std::uint32_t n = 0; n < kSubjects; n += 2) {
      if (n == 2) continue;
      EXPECT_EQ(read(store, n), read(store, n + 1)) << "half a commit";
    }
    EXPECT_EQ(chain_of(store), "holds");
  }

  TempFolder folder_;
  FakeWitness witness_;
  StoreOptions template_;
  std::optional<Head> head_;
};

TEST_P(Faults, at_every_call_of_a_running_store) {
  const auto& with = GetParam();
  std::uint64_t n = 1;
  for (;; ++n) {
    SCOPED_TRACE(std::string(with.name) + " at call " + std::to_string(n));
    const auto at = fresh_copy();
    auto opened = SqlCipherStore::open(at, keys(), witness_);
    ASSERT_OK(opened);
    auto& store = *opened;
    Books books;
    VfsShim::fail(with.call, n, with.fault, with.lasting);
    traffic(*store, books);
    for (std::uint32_t i = 0; i < kSubjects; ++i) {
      const auto now = read(*store, i);
      EXPECT_TRUE(now == "old" || now == "new" || now == "!301" || now == "!307") << now;
    }
    const bool fired = VfsShim::fired();
    VfsShim::repair();
    // The cause is gone: the next charge finds a store that serves, and the refund that waited is in.
    const auto after = charge(*store, 5);
    ASSERT_OK(after);
    ++books.charged[5];
    ASSERT_OK(put(*store, 100, "a commit after which every refund is in"));
    EXPECT_FALSE(store->trouble());
    check(*store, books);
    const auto head = store->head();
    store.reset();
    auto reopened = SqlCipherStore::open(at, keys(), witness_);
    ASSERT_OK(reopened);
    EXPECT_GE((*reopened)->head().seq, head.seq);
    check(**reopened, books);
    if (!fired || HasFailure()) break;
  }
  std::printf("%s: %llu calls\n", with.name, static_cast<unsigned long long>(n - 1));
}

TEST_P(Faults, at_every_call_of_an_opening) {
  const auto& with = GetParam();
  for (std::uint64_t n = 1;; ++n) {
    SCOPED_TRACE(std::string(with.name) + " at call " + std::to_string(n));
    const auto at = fresh_copy();
    VfsShim::fail(with.call, n, with.fault, with.lasting);
    auto opened = SqlCipherStore::open(at, keys(), witness_);
    const bool fired = VfsShim::fired();
    VfsShim::repair();
    if (!opened) {
      EXPECT_TRUE(fired);
      opened = SqlCipherStore::open(at, keys(), witness_);
    }
    ASSERT_OK(opened);
    check(**opened, {});
    if (!fired || HasFailure()) break;
  }
}

// A prune and the rows that go after it: whatever fails where, the counts stay, the chain holds from its
// base, and once the disk is back the rows go.
TEST_P(Faults, at_every_call_of_a_prune) {
  const auto& with = GetParam();
  for (std::uint64_t n = 1;; ++n) {
    SCOPED_TRACE(std::string(with.name) + " at call " + std::to_string(n));
    const auto at = fresh_copy();
    auto opened = SqlCipherStore::open(at, keys(), witness_);
    ASSERT_OK(opened);
    auto& store = *opened;
    const LedgerBase base{6, (*store->ledger(5, 1))[0].hash, "note"};
    VfsShim::fail(with.call, n, with.fault, with.lasting);
    (void)base::sync_wait(store->prune(base, event(kChange, 9)));
    (void)put(*store, 200, "while rows go");
    const bool fired = VfsShim::fired();
    VfsShim::repair();
    // An answer that was lost may have been done: then a second prune is none any more.
    if (const auto again = base::sync_wait(store->prune(base, event(kChange, 9))); !again) {
      EXPECT_TRUE(again.error().is(Errc::conflict)) << again.error().detail();
    }
    for (std::uint32_t i = 0; i < 1000 && store->ledger(0, 1)->front().seq <= 6; ++i)
      ASSERT_OK(put(*store, 201, std::to_string(i)));
    check(*store, {});
    store.reset();
    auto reopened = SqlCipherStore::open(at, keys(), witness_);
    ASSERT_OK(reopened);
    EXPECT_EQ((*reopened)->ledger_base().seq, 6u);
    EXPECT_EQ((*reopened)->ledger(0, 1)->front().seq, 7u);
    check(**reopened, {});
    if (!fired || HasFailure()) break;
  }
}

// The crash after the fault: what had failed may be found in the WAL, but whole, and nothing acknowledged is
// missing.
TEST_P(Faults, at_every_call_and_then_the_files_as_a_crash_leaves_them) {
  const auto& with = GetParam();
  for (std::uint64_t n = 1;; ++n) {
    SCOPED_TRACE(std::string(with.name) + " at call " + std::to_string(n));
    const auto at = fresh_copy();
    auto opened = SqlCipherStore::open(at, keys(), witness_);
    ASSERT_OK(opened);
    Books books;
    VfsShim::fail(with.call, n, with.fault, with.lasting);
    traffic(**opened, books);
    const bool fired = VfsShim::fired();
    auto crashed = options(folder_ / "crashed.db");
    for (const char* suffix : {"", "-wal"}) {
      std::filesystem::remove(crashed.path + suffix);
      if (!std::filesystem::exists(at.path + suffix)) continue;
      std::filesystem::copy_file(at.path + suffix, crashed.path + suffix);
    }
    std::filesystem::remove(crashed.path + "-shm");
    VfsShim::repair();
    const auto recorded = *witness_.recorded();
    opened->reset();
    witness_.set(recorded);
    auto reopened = SqlCipherStore::open(crashed, keys(), witness_);
    ASSERT_OK(reopened);
    for (std::uint32_t i = 0; i < kSubjects; ++i) {
      if (books.value.contains(i)) {
        EXPECT_EQ(read(**reopened, i), books.value[i]);
      }
      EXPECT_GE((*reopened)->guard(guard_key(i)).failures, 1 + books.charged[i]);
      EXPECT_EQ(read(**reopened, i & ~1u), read(**reopened, i | 1u));
    }
    EXPECT_EQ(chain_of(**reopened), "holds");
    if (!fired || HasFailure()) break;
  }
}

// A backup's copy onto a disk that fails at its n-th call: it is not made and says why, and the store that it
// is of goes on.
TEST_P(Faults, at_every_call_of_a_copy_of_the_file) {
  const auto& with = GetParam();
  const auto at = fresh_copy();
  auto opened = SqlCipherStore::open(at, keys(), witness_);
  ASSERT_OK(opened);
  const auto copy = folder_ / "copy.db";
  for (std::uint64_t n = 1;; ++n) {
    SCOPED_TRACE(std::string(with.name) + " at call " + std::to_string(n));
    std::filesystem::remove(copy);
    VfsShim::fail(with.call, n, with.fault, with.lasting);
    const auto copied = copy_store_file(at.path, copy, keys().page_key, {});
    const bool fired = VfsShim::fired();
    VfsShim::repair();
    if (!copied && with.fault == FileFault::full) {
      EXPECT_TRUE(copied.error().is(FileErrc::no_space));
    }
    if (copied) {
      const auto file = StoreFile::open(copy, keys());
      ASSERT_OK(file);
      EXPECT_OK((*file)->check({}));
    } else {
      EXPECT_TRUE(fired);
    }
    EXPECT_OK(put(**opened, 900, std::to_string(n)));
    if (!fired || HasFailure()) break;
  }
  EXPECT_EQ(chain_of(**opened), "holds");
}

INSTANTIATE_TEST_SUITE_P(
    Disk, Faults,
    ::testing::Values(Case{"write_error", FileCall::write, FileFault::io_error, false},
                      Case{"write_torn", FileCall::write, FileFault::torn, false},
                      Case{"disk_full", FileCall::write, FileFault::full, true},
                      Case{"read_only", FileCall::write, FileFault::read_only, true},
                      Case{"sync_error", FileCall::sync, FileFault::io_error, false},
                      Case{"sync_error_lasting", FileCall::sync, FileFault::io_error, true},
                      Case{"read_error", FileCall::read, FileFault::io_error, false},
                      Case{"read_error_lasting", FileCall::read, FileFault::io_error, true},
                      Case{"open_error", FileCall::open, FileFault::io_error, false},
                      Case{"truncate_error", FileCall::truncate, FileFault::io_error, false},
                      Case{"remove_error", FileCall::remove, FileFault::io_error, false},
                      Case{"lock_error", FileCall::lock, FileFault::io_error, false}),
    [](const auto& with) { return std::string(with.param.name); });

}  // namespace
}  // namespace sigillo::sealed_store::testing
