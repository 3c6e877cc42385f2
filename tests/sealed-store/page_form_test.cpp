// Files with pages of the earlier form (SQLCipher's own HMAC-SHA512): served, copied and checked as they are,
// and of the first form once their keys were rotated.
#define SQLITE_HAS_CODEC 1  // declares sqlite3_key
#include <sqlite3.h>

#include <sealed_store/store_copy.hpp>
#include <sealed_store/store_file.hpp>

#include "testing.hpp"

namespace sigillo::sealed_store::testing {
namespace {

// Not through Database: what a release before this one would open, and what it would make.
class Raw {
 public:
  explicit Raw(const std::string& path, const StoreKeys& keys) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &db_), SQLITE_OK);
    const auto key = key_of(keys);
    EXPECT_EQ(sqlite3_key(db_, key.data(), static_cast<int>(key.size())), SQLITE_OK);
  }
  Raw(const Raw&) = delete;
  ~Raw() { sqlite3_close(db_); }
  bool run(const std::string& sql) {
    return sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
  }
  static std::string key_of(const StoreKeys& keys) {
    return "x'" + base::to_hex(keys.page_key.expose()) + "'";
  }

 private:
  sqlite3* db_ = nullptr;
};

bool is_of(const std::string& form, const std::string& path, const StoreKeys& of) {
  Raw db(path, of);
  return db.run("PRAGMA cipher_hmac_algorithm=" + form) && db.run("SELECT count(*) FROM sqlite_master");
}

struct PageFormTest : ::testing::Test {
  TempFolder folder;
  StoreOptions with = options(folder / "store.db");
  FakeWitness witness;

  void SetUp() override {
    auto store = std::move(*create_and_open(with, witness));
    for (unsigned i = 1; i <= 40; ++i) ASSERT_OK(put(*store, i, "value " + std::to_string(i)));
    ASSERT_OK(charge(*store, 7));
  }
  // The same content in pages of the earlier form.
  void make_earlier() const {
    const std::string made = folder / "earlier.db";
    {
      Raw db(with.path, keys());
      ASSERT_TRUE(db.run("PRAGMA cipher_hmac_algorithm=HMAC_SHA256"));
      ASSERT_TRUE(db.run("ATTACH '" + made + "' AS earlier KEY \"" + Raw::key_of(keys()) + "\""));
      ASSERT_TRUE(db.run("PRAGMA earlier.cipher_hmac_algorithm=HMAC_SHA512"));
      ASSERT_TRUE(db.run("SELECT sqlcipher_export('earlier')"));
      ASSERT_TRUE(db.run("PRAGMA earlier.journal_mode=WAL"));
    }
    std::filesystem::rename(made, with.path);
    ASSERT_TRUE(is_of("HMAC_SHA512", with.path, keys()));
    ASSERT_FALSE(is_of("HMAC_SHA256", with.path, keys()));
  }
  void expect_all(StoreKeys of) {
    auto store = SqlCipherStore::open(with, std::move(of), witness);
    ASSERT_OK(store);
    for (unsigned i = 1; i <= 40; ++i) EXPECT_EQ(read(**store, i), "value " + std::to_string(i));
    EXPECT_EQ((*store)->guard(guard_key(7)).failures, 1u);
    EXPECT_EQ(chain_of(**store), "holds");
  }
};

TEST_F(PageFormTest, a_new_file_has_pages_with_hmac_sha256) {
  EXPECT_TRUE(is_of("HMAC_SHA256", with.path, keys()));
  EXPECT_FALSE(is_of("HMAC_SHA512", with.path, keys()));
}

TEST_F(PageFormTest, a_file_of_before_is_served_and_stays_as_it_is) {
  make_earlier();
  expect_all(keys());
  {
    auto store = SqlCipherStore::open(with, keys(), witness);
    ASSERT_OK(store);
    ASSERT_OK(put(**store, 1, "changed"));
    EXPECT_EQ(read(**store, 1), "changed");
    ASSERT_OK(put(**store, 1, "value 1"));
  }
  expect_all(keys());
  EXPECT_TRUE(is_of("HMAC_SHA512", with.path, keys()));
}

TEST_F(PageFormTest, a_backup_of_a_file_of_before_is_whole_and_as_it_is) {
  make_earlier();
  const std::string copy = folder / "copy.db";
  ASSERT_OK(copy_store_file(with.path, copy, keys().page_key, {}));
  const auto file = StoreFile::open(copy, keys());
  ASSERT_OK(file);
  const auto contents = (*file)->check({});
  ASSERT_OK(contents);
  EXPECT_EQ(contents->records, 40u);
  with.path = copy;
  expect_all(keys());
  EXPECT_TRUE(is_of("HMAC_SHA512", copy, keys()));
}

TEST_F(PageFormTest, a_rotation_gives_a_file_of_before_the_new_form) {
  make_earlier();
  {
    auto copy = StoreCopy::begin(with, keys(), next_keys());
    ASSERT_OK(copy);
    ASSERT_OK((*copy)->catch_up({}));
    ASSERT_OK((*copy)->verify());
    ASSERT_OK((*copy)->finish());
  }
  EXPECT_TRUE(is_of("HMAC_SHA256", with.path, next_keys()));
  expect_all(next_keys());
}

TEST_F(PageFormTest, the_wrong_key_opens_neither_and_changes_nothing) {
  for (const bool earlier : {false, true}) {
    if (earlier) make_earlier();
    EXPECT_FALSE(*opens_with(with.path, next_keys().page_key));
    const auto refused = SqlCipherStore::open(with, next_keys(), witness);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().is(Errc::corrupt));
    expect_all(keys());
  }
}

}  // namespace
}  // namespace sigillo::sealed_store::testing
