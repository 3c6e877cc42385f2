// Yesterday's bytes put back today, by someone who can write the files (and here even holds the page key):
// whatever it is, a page, a row, a table, a file, the WAL, it is refused or is what was acknowledged; never
// believed as it was.
#include <unistd.h>

#include <fstream>
#include <functional>

#include "database.hpp"
#include "ledger_row.hpp"
#include "testing.hpp"

namespace sigillo::sealed_store::testing {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::uint32_t kSubjects = 12;

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void overwrite(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}
void patch(const std::string& path, std::size_t at, std::string_view bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(at)).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

class Freshness : public ::testing::Test {
 protected:
  void SetUp() override {
    with_ = options(folder_ / "store.db");
    with_.fold_every = 15;
    with_.snapshot = {0};  // every read looks at the file as it is
    auto opened = create_and_open(with_, witness_);
    ASSERT_OK(opened);
    store_ = std::move(*opened);
    write_all("yesterday");
  }
  void write_all(const std::string& value) {
    for (std::uint32_t n = 0; n < kSubjects; ++n) {
      ASSERT_OK(charge(*store_, n));
      ASSERT_OK(put(*store_, n, value + std::string(200, '.') + std::to_string(n)));
    }
  }
  void stop() { store_.reset(); }
  base::Result<void> start() {
    SIGILLO_TRY(store_, SqlCipherStore::open(with_, keys(), witness_));
    return base::ok();
  }
  std::string wal() const { return with_.path + "-wal"; }
  void sql(const char* text) {
    auto db = Database::open(with_.path, keys().page_key, Database::Access::write);
    ASSERT_OK(db);
    ASSERT_OK(db->run(text));
  }
  // How many subjects were refused; none may show what was before.
  std::size_t refused_and_none_old(std::uint16_t failures, const std::string& value) {
    std::size_t refused = 0;
    for (std::uint32_t n = 0; n < kSubjects; ++n) {
      EXPECT_EQ(store_->guard(guard_key(n)).failures, failures) << n;
      const auto now = read(*store_, n);
      if (now[0] == '!') {
        ++refused;
      } else {
        EXPECT_EQ(now, value + std::string(200, '.') + std::to_string(n));
      }
    }
    return refused;
  }

  TempFolder folder_;
  FakeWitness witness_;
  StoreOptions with_;
  std::unique_ptr<Store> store_;
};

TEST_F(Freshness, the_whole_file_of_yesterday_is_refused_without_touching_the_witness) {
  stop();
  const auto old = slurp(with_.path);
  ASSERT_OK(start());
  write_all("today");
  stop();
  overwrite(with_.path, old);
  const auto taken = witness_.taken_over();
  EXPECT_ERRC(start(), Errc::rolled_back);
  EXPECT_EQ(witness_.taken_over(), taken);
  EXPECT_EQ(slurp(with_.path), old) << "a refused file is left as it was found";
}

TEST_F(Freshness, the_file_and_wal_of_a_moment_ago_are_refused) {
  const auto old = slurp(with_.path);
  const auto old_wal = slurp(wal());
  ASSERT_OK(charge(*store_, 1));
  stop();
  overwrite(with_.path, old);
  overwrite(wal(), old_wal);
  EXPECT_ERRC(start(), Errc::rolled_back);
}

TEST_F(Freshness, the_wal_cut_at_every_commit_is_refused) {
  const auto file = slurp(with_.path);
  const auto full = slurp(wal());
  stop();
  const std::size_t frame = kPage + 24;
  ASSERT_GT(full.size(), 20 * frame);
  for (std::size_t frames = (full.size() - 32) / frame - 1; frames > 0;
       frames -= std::min<std::size_t>(frames, 7)) {
    overwrite(with_.path, file);
    overwrite(wal(), full.substr(0, 32 + frames * frame));
    std::filesystem::remove(with_.path + "-shm");
    const auto opened = start();
    if (opened) FAIL() << "opened with " << frames << " frames";
  }
}

TEST_F(Freshness, every_single_page_of_yesterday_put_back_while_stopped_is_refused_or_harmless) {
  stop();
  const auto old = slurp(with_.path);
  ASSERT_OK(start());
  write_all("today");
  stop();
  const auto now = slurp(with_.path);
  const auto recorded = *witness_.recorded();
  std::size_t differing = 0;
  std::size_t refused_at_open = 0;
  std::size_t refused_rows = 0;
  for (std::size_t at = 0; at + kPage <= std::min(old.size(), now.size()); at += kPage) {
    if (old.compare(at, kPage, now, at, kPage) == 0) continue;
    ++differing;
    witness_.set(recorded);
    overwrite(with_.path, now);
    patch(with_.path, at, std::string_view(old).substr(at, kPage));
    if (!start()) {
      ++refused_at_open;
      continue;
    }
    refused_rows += refused_and_none_old(2, "today");
    stop();
    std::filesystem::remove(wal());
  }
  EXPECT_GT(differing, 4u);
  EXPECT_GT(refused_at_open, 0u) << "the ledger's or the guard table's page";
  EXPECT_GT(refused_rows, 0u) << "a record's page";
}

TEST_F(Freshness, every_single_page_of_yesterday_put_back_while_running_is_refused_or_harmless) {
  stop();
  const auto old = slurp(with_.path);
  ASSERT_OK(start());
  write_all("today");
  stop();
  const auto now = slurp(with_.path);
  const auto recorded = *witness_.recorded();
  std::size_t refused_rows = 0;
  for (std::size_t at = kPage; at + kPage <= std::min(old.size(), now.size()); at += kPage) {
    if (old.compare(at, kPage, now, at, kPage) == 0) continue;
    witness_.set(recorded);
    overwrite(with_.path, now);
    std::filesystem::remove(wal());
    ASSERT_OK(start());
    EXPECT_EQ(refused_and_none_old(2, "today"), 0u);
    patch(with_.path, at, std::string_view(old).substr(at, kPage));
    // A commit of someone else, so that readers drop their cached pages.
    (void)charge(*store_, 1000);
    refused_rows += refused_and_none_old(2, "today");
    stop();
  }
  EXPECT_GT(refused_rows, 0u);
}

TEST_F(Freshness, one_old_row_put_back_while_stopped_is_stale_and_so_is_what_would_overwrite_it) {
  sql("CREATE TABLE IF NOT EXISTS copy AS SELECT * FROM record");
  ASSERT_OK(put(*store_, 3, "today"));
  stop();
  sql("INSERT OR REPLACE INTO record(place, id, tbl, queue, due, sealed) SELECT place, id, tbl, queue, due, "
      "sealed FROM "
      "copy");
  ASSERT_OK(start());
  EXPECT_EQ(read(*store_, 3), "!302");
  EXPECT_ERRC(put(*store_, 3, "over it"), Errc::stale);
  EXPECT_EQ(read(*store_, 4), "yesterday" + std::string(200, '.') + "4");
  EXPECT_OK(put(*store_, 4, "others go on"));
}

TEST_F(Freshness, a_store_whose_rows_are_clustered_by_their_ids_is_taken_over_with_every_row) {
  stop();
  sql(kBeforeQueueParts);
  sql("CREATE TABLE old(id BLOB NOT NULL, tbl INTEGER NOT NULL, queue INTEGER NOT NULL, due INTEGER NOT "
      "NULL, "
      "sealed BLOB NOT NULL, PRIMARY KEY(id, tbl)) WITHOUT ROWID;"
      "INSERT INTO old SELECT id, tbl, queue, due, sealed FROM record; DROP TABLE record;"
      "ALTER TABLE old RENAME TO record; CREATE INDEX record_due ON record(queue, due) WHERE queue <> 0;"
      "UPDATE meta SET value=2 WHERE key=1");
  ASSERT_OK(start());
  EXPECT_EQ(refused_and_none_old(1, "yesterday"), 0U);
  ASSERT_OK(put(*store_, 3, "today"));
  EXPECT_EQ(read(*store_, 3), "today");
}

TEST_F(Freshness, one_old_row_put_back_while_running_is_stale) {
  sql("CREATE TABLE copy AS SELECT * FROM record");
  ASSERT_OK(put(*store_, 3, "today"));
  EXPECT_EQ(read(*store_, 3), "today");
  sql("INSERT OR REPLACE INTO record(place, id, tbl, queue, due, sealed) SELECT place, id, tbl, queue, due, "
      "sealed FROM "
      "copy");
  EXPECT_EQ(read(*store_, 3), "!302");
  EXPECT_ERRC(put(*store_, 3, "over it"), Errc::stale);
}

// The log until a line has `last` in it.
std::string log_until(std::string_view last, const std::function<void()>& work) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const int terminal = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  work();
  std::string log;
  for (char c = 0; log.find(last) == std::string::npos && ::read(ends[0], &c, 1) == 1;) log += c;
  dup2(terminal, STDERR_FILENO);
  for (const int fd : {ends[0], ends[1], terminal}) close(fd);
  return log;
}

TEST_F(Freshness, an_old_row_that_nobody_reads_is_found_after_the_start) {
  with_.look_through = base::days(1);
  sql("CREATE TABLE copy AS SELECT * FROM record");
  write_all("today");
  stop();
  EXPECT_EQ(log_until("store.checked", [this] { ASSERT_OK(start()); }).find("store.stale"),
            std::string::npos);
  stop();
  sql("INSERT OR REPLACE INTO record(place, id, tbl, queue, due, sealed) SELECT place, id, tbl, queue, due, "
      "sealed FROM "
      "copy WHERE rowid=1");
  EXPECT_NE(log_until("store.checked", [this] { ASSERT_OK(start()); }).find("store.stale"),
            std::string::npos);
  EXPECT_EQ(refused_and_none_old(2, "today"), 1u);
}

TEST_F(Freshness, a_reader_in_a_snapshot_gives_what_was_acknowledged_last_and_nothing_older) {
  stop();
  with_.snapshot = base::seconds(3600);
  ASSERT_OK(start());
  EXPECT_EQ(read(*store_, 3).substr(0, 9), "yesterday");
  sql("CREATE TABLE copy AS SELECT * FROM record");
  ASSERT_OK(put(*store_, 3, "today"));
  EXPECT_EQ(read(*store_, 3), "today");
  sql("INSERT OR REPLACE INTO record(place, id, tbl, queue, due, sealed) SELECT place, id, tbl, queue, due, "
      "sealed FROM "
      "copy");
  EXPECT_EQ(read(*store_, 3), "today");
  ASSERT_OK(put(*store_, 4, "tomorrow"));
  EXPECT_EQ(read(*store_, 4), "tomorrow");
  EXPECT_EQ(read(*store_, 3), "!302");
}

TEST_F(Freshness, a_row_that_was_erased_does_not_come_back_and_one_taken_away_is_missed) {
  sql("CREATE TABLE copy AS SELECT * FROM record");
  Changes changes;
  changes.erases.push_back(record_key(3));
  ASSERT_OK(base::sync_wait(store_->commit(std::move(changes))));
  EXPECT_EQ(read(*store_, 3), "");
  sql("INSERT OR IGNORE INTO record(place, id, tbl, queue, due, sealed) SELECT place, id, tbl, queue, due, "
      "sealed FROM "
      "copy");
  EXPECT_EQ(read(*store_, 3), "!302");
  EXPECT_EQ(read(*store_, 4).substr(0, 9), "yesterday");
  sql("DELETE FROM record");
  EXPECT_EQ(read(*store_, 4), "!302");
  EXPECT_ERRC(put(*store_, 4, "over it"), Errc::stale);
}

TEST_F(Freshness, a_row_whose_due_time_was_changed_is_stale) {
  sql("UPDATE record SET due=5");
  EXPECT_EQ(read(*store_, 3), "!302");
}

TEST_F(Freshness, the_guard_table_of_yesterday_is_stale) {
  stop();
  sql("CREATE TABLE copy AS SELECT * FROM guard");
  ASSERT_OK(start());
  write_all("today");
  stop();
  sql("DELETE FROM guard; INSERT INTO guard SELECT * FROM copy");
  EXPECT_ERRC(start(), Errc::stale);
}

TEST_F(Freshness, an_empty_guard_table_and_no_fold_is_no_way_back_to_zero) {
  stop();
  sql("DELETE FROM guard; DELETE FROM meta WHERE key=2");
  // The ledger is the truth: replayed from its beginning it gives every count; only the buckets' log was cut
  // by the fold.
  if (start()) {
    for (std::uint32_t n = 0; n < kSubjects; ++n) EXPECT_EQ(store_->guard(guard_key(n)).failures, 1);
  }
}

TEST_F(Freshness, the_bucket_hashes_of_yesterday_are_stale) {
  stop();
  sql("CREATE TABLE copy AS SELECT * FROM bucket; CREATE TABLE copy_log AS SELECT * FROM bucket_log");
  ASSERT_OK(start());
  ASSERT_OK(put(*store_, 3, "today"));
  stop();
  sql("DELETE FROM bucket; INSERT INTO bucket SELECT * FROM copy;"
      "DELETE FROM bucket_log; INSERT INTO bucket_log SELECT * FROM copy_log");
  EXPECT_ERRC(start(), Errc::stale);
}

TEST_F(Freshness, a_ledger_that_lost_its_last_entry_is_refused) {
  stop();
  sql("DELETE FROM ledger WHERE seq=(SELECT max(seq) FROM ledger)");
  EXPECT_ERRC(start(), Errc::rolled_back);
}

TEST_F(Freshness, a_ledger_that_lost_its_last_entry_under_a_running_store_takes_no_more) {
  sql("DELETE FROM ledger WHERE seq=(SELECT max(seq) FROM ledger)");
  EXPECT_ERRC(charge(*store_, 3), Errc::stale);
  EXPECT_EQ(store_->guard(guard_key(3)).failures, 1);
  EXPECT_TRUE(store_->trouble());
}

TEST_F(Freshness, a_file_or_wal_that_is_moved_away_under_a_running_store_takes_no_more_until_it_is_back) {
  for (const char* suffix : {"", "-wal"}) {
    const auto there = with_.path + suffix, aside = with_.path + ".aside";
    const auto head = store_->head();
    std::filesystem::rename(there, aside);
    EXPECT_ERRC(charge(*store_, 3), Errc::stale) << suffix;
    std::filesystem::copy_file(aside, there);  // as it was, to the byte, and not the one that is written to
    EXPECT_ERRC(charge(*store_, 3), Errc::stale) << suffix;
    EXPECT_TRUE(store_->trouble());
    EXPECT_EQ(store_->head().seq, head.seq);
    std::filesystem::rename(aside, there);
    ASSERT_OK(charge(*store_, 3));
    EXPECT_FALSE(store_->trouble());
  }
  stop();
  ASSERT_OK(start());
}

TEST_F(Freshness, a_ledger_continued_by_another_hand_is_beside_the_witness) {
  stop();
  const auto old = slurp(with_.path);
  ASSERT_OK(start());
  ASSERT_OK(put(*store_, 3, "ours"));
  stop();
  const auto recorded = *witness_.recorded();
  overwrite(with_.path, old);
  FakeWitness other;
  auto before = recorded;
  before->seq = 0;
  before->hash = {};
  other.set(before);
  auto theirs = SqlCipherStore::open(with_, keys(), other);
  ASSERT_OK(theirs);
  ASSERT_OK(put(**theirs, 3, "theirs"));
  ASSERT_OK(put(**theirs, 3, "theirs, longer"));
  theirs->reset();
  EXPECT_ERRC(start(), Errc::rolled_back);
}

TEST_F(Freshness, an_entry_edited_in_place_breaks_the_chain) {
  for (int i = 0; i < 5; ++i) ASSERT_OK(charge(*store_, 1));
  stop();
  auto db = Database::open(with_.path, keys().page_key, Database::Access::write);
  ASSERT_OK(db);
  {
    auto change = db->prepare("UPDATE ledger SET entry=? WHERE seq=?");
    auto query = db->prepare("SELECT seq, entry FROM ledger ORDER BY seq DESC LIMIT 1 OFFSET 1");
    std::int64_t seq = 0;
    base::Bytes entry;
    {
      auto cursor = (*query)();
      ASSERT_TRUE(*cursor.next());
      seq = cursor.integer(0);
      entry.assign(cursor.blob(1).begin(), cursor.blob(1).end());
    }
    auto decoded = unpack_row(static_cast<std::uint64_t>(seq), entry);
    decoded->event.guard->second.failures = 1;
    ASSERT_OK(change->run(pack_row(*decoded), seq));
  }
  db = base::Error(Errc::unavailable, "closed");
  EXPECT_ERRC(start(), Errc::corrupt);
}

TEST_F(Freshness, two_entries_exchanged_break_the_chain) {
  for (int i = 0; i < 5; ++i) ASSERT_OK(charge(*store_, 1));
  stop();
  sql("UPDATE ledger SET seq=-1 WHERE seq=(SELECT max(seq) FROM ledger);"
      "UPDATE ledger SET seq=seq+1 WHERE seq=(SELECT max(seq) FROM ledger);"
      "UPDATE ledger SET seq=(SELECT max(seq) FROM ledger)-1 WHERE seq=-1");
  EXPECT_ERRC(start(), Errc::corrupt);
}

TEST_F(Freshness, a_store_with_a_past_and_a_witness_without_one_is_refused) {
  stop();
  witness_.set(std::nullopt);
  EXPECT_ERRC(start(), Errc::rolled_back);
}

TEST_F(Freshness, a_new_empty_store_beside_a_witness_with_a_past_is_refused) {
  stop();
  std::filesystem::remove(with_.path);
  ASSERT_OK(SqlCipherStore::create(with_, keys()));
  EXPECT_ERRC(start(), Errc::rolled_back);
}

TEST_F(Freshness, a_store_ahead_of_the_witness_is_a_crash_and_opens) {
  const auto recorded = *witness_.recorded();
  ASSERT_OK(charge(*store_, 3));
  stop();
  witness_.set(recorded);
  ASSERT_OK(start());
  EXPECT_EQ(store_->guard(guard_key(3)).failures, 2);
}

}  // namespace
}  // namespace sigillo::sealed_store::testing
