#include <sealed_store/store_copy.hpp>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include <sealed_store/ledger_entry.hpp>

#include "file_checks.hpp"
#include "ledger_row.hpp"
#include "opening.hpp"
#include "record_rows.hpp"
#include "schema.hpp"

namespace sigillo::sealed_store {
namespace {

constexpr std::size_t kBucketsACommit = 64;
constexpr std::size_t kWalMax = 16'384;  // pages
constexpr int kNotADatabase = 26;        // SQLITE_NOTADB

base::Error failed(const char* what) {
  return {Errc::unavailable, what, static_cast<unsigned long>(errno)};
}

std::string making_of(const std::string& path) {
  return path + ".rekey";
}

void remove_copy(const std::string& path) {
  std::error_code gone_already;
  for (const char* suffix : {"", "-wal", "-shm"})
    std::filesystem::remove(making_of(path) + suffix, gone_already);
}

class Copy final : public StoreCopy {
 public:
  Copy(StoreOptions options, base::Secret from_page, base::Secret from_fresh, base::Secret to_page,
       base::Secret to_fresh, Database target)
      : options_(std::move(options)),
        from_page_(std::move(from_page)),
        from_fresh_(std::move(from_fresh)),
        to_page_(std::move(to_page)),
        to_fresh_(std::move(to_fresh)),
        to_prf_(to_fresh_.clone()),
        target_(std::make_unique<Database>(std::move(target))),
        known_(FreshRows::kBuckets),
        hashes_(FreshRows::kBuckets) {}
  // What did not take the file's place takes room beside it: a copy that filled the disk would keep it full.
  ~Copy() override {
    target_.reset();
    if (!placed_) remove_copy(options_.path);
  }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  base::Result<std::uint64_t> catch_up(const Progress& progress) override {
    SIGILLO_TRY(auto source, Database::open(options_.path, from_page_, Database::Access::read));
    source.checkpoint_on_close(false);
    SIGILLO_CHECK(source.run("BEGIN"));  // one snapshot for all of the round
    auto done = round(source, progress);
    (void)source.run("ROLLBACK");
    return done;
  }

  base::Result<void> verify() override {
    SIGILLO_CHECK(target_->run("PRAGMA wal_checkpoint(TRUNCATE)"));  // the checks read the main file only
    return check_integrity(*target_);
  }

  base::Result<void> finish() override;

 private:
  base::Result<std::uint64_t> round(Database& source, const Progress& progress);
  base::Result<void> copy_bucket(Database& source, RowQueries& rows, std::uint16_t id, const State& state);
  base::Result<void> copy_ledger(Database& source);
  base::Result<void> copy_table(Database& source, const char* clear, const char* select, const char* insert,
                                int columns);
  base::Result<void> write_fold(Database& source);

  const StoreOptions options_;
  const base::Secret from_page_, from_fresh_, to_page_, to_fresh_;
  const Prf to_prf_;
  QueueSets queues_;  // of what was copied, under the new fresh key
  std::unique_ptr<Database> target_;
  bool placed_ = false;
  std::vector<Lanes> known_;   // of each bucket as copied, under the old fresh key
  std::vector<Lanes> hashes_;  // and under the new one
  std::uint64_t ledger_to_ = 0;
};

base::Result<std::uint64_t> Copy::round(Database& source, const Progress& progress) {
  State state(from_fresh_.clone());
  // The whole check of an opening but for the witness, whose head may be newer than this snapshot: chain,
  // guard table and root hold.
  SIGILLO_CHECK(load_snapshot(source, state));
  SIGILLO_TRY(auto rows, RowQueries::prepare(source));
  std::vector<std::uint16_t> changed;
  for (std::uint32_t id = 0; id < FreshRows::kBuckets; ++id) {
    const auto bucket = static_cast<std::uint16_t>(id);
    if (state.rows.at(bucket).hash != known_[id]) changed.push_back(bucket);
  }
  for (std::size_t at = 0; at < changed.size();) {
    SIGILLO_TRY(auto transaction, Transaction::begin(*target_));
    for (std::size_t n = 0; n < kBucketsACommit && at < changed.size(); ++n, ++at)
      SIGILLO_CHECK(copy_bucket(source, rows, changed[at], state));
    SIGILLO_CHECK(transaction.commit());
    // Else the WAL is a second copy of the copy.
    if (target_->wal_pages() >= kWalMax) SIGILLO_CHECK(target_->run("PRAGMA wal_checkpoint(TRUNCATE)"));
    if (progress && !progress(at)) return base::Error(Errc::unavailable, "the copy was told to stop");
  }
  SIGILLO_TRY(auto transaction, Transaction::begin(*target_));
  SIGILLO_CHECK(copy_ledger(source));
  SIGILLO_CHECK(copy_table(source, "DELETE FROM guard", "SELECT block, entries FROM guard",
                           "INSERT INTO guard VALUES(?,?)", 2));
  SIGILLO_CHECK(copy_table(source, "DELETE FROM ledger_base", "SELECT one, seq, hash, note FROM ledger_base",
                           "INSERT INTO ledger_base VALUES(?,?,?,CAST(? AS TEXT))", 4));
  SIGILLO_CHECK(transaction.commit());
  return changed.size();
}

base::Result<void> Copy::copy_bucket(Database& source, RowQueries& rows, std::uint16_t id,
                                     const State& state) {
  SIGILLO_TRY(const auto loaded, rows.bucket(id, state.prf));
  if (loaded.hash != state.rows.at(id).hash)
    return base::Error(Errc::stale, "a bucket is not the one that the ledger accounts for: it is not copied");
  const auto [from, to] = places_of_bucket(id);
  SIGILLO_TRY(auto copied, RowQueries::prepare(*target_));
  SIGILLO_TRY(const auto left, copied.queued(id, to_prf_));
  for (const auto& [part, set] : left) queues_[part] -= set;
  SIGILLO_TRY(auto clear, target_->prepare("DELETE FROM record WHERE place BETWEEN ? AND ?"));
  SIGILLO_CHECK(clear.run(from, to));
  SIGILLO_TRY(
      auto select,
      source.prepare("SELECT place, id, tbl, queue, due, sealed FROM record WHERE place BETWEEN ? AND ?"));
  SIGILLO_TRY(auto insert,
              target_->prepare("INSERT INTO record(place, id, tbl, queue, due, sealed) VALUES(?,?,?,?,?,?)"));
  auto cursor = select(from, to);
  for (;;) {
    SIGILLO_TRY(const bool row, cursor.next());
    if (!row) break;
    SIGILLO_CHECK(insert.run(cursor.integer(0), cursor.blob(1), cursor.integer(2), cursor.integer(3),
                             cursor.integer(4), cursor.blob(5)));
  }
  SIGILLO_TRY(const auto again, copied.bucket(id, state.prf));
  if (again.hash != loaded.hash) return base::Error(Errc::corrupt, "a bucket was not copied as it is");
  SIGILLO_TRY(const auto fresh, copied.bucket(id, to_prf_));
  SIGILLO_TRY(const auto entered, copied.queued(id, to_prf_));
  for (const auto& [part, set] : entered) queues_[part] += set;
  known_[id] = loaded.hash;
  hashes_[id] = fresh.hash;
  return base::ok();
}

base::Result<void> Copy::copy_ledger(Database& source) {
  SIGILLO_TRY(auto select, source.prepare("SELECT seq, entry, hash FROM ledger WHERE seq>? ORDER BY seq"));
  SIGILLO_TRY(auto insert, target_->prepare("INSERT INTO ledger VALUES(?,?,?)"));
  auto cursor = select(static_cast<std::int64_t>(ledger_to_));
  for (;;) {
    SIGILLO_TRY(const bool row, cursor.next());
    if (!row) break;
    SIGILLO_CHECK(insert.run(cursor.integer(0), cursor.blob(1), cursor.blob(2)));
    ledger_to_ = static_cast<std::uint64_t>(cursor.integer(0));
  }
  // What was pruned meanwhile.
  SIGILLO_TRY(auto first, source.prepare("SELECT min(seq) FROM ledger"));
  auto oldest = first();
  SIGILLO_TRY(const bool any, oldest.next());
  SIGILLO_TRY(auto prune, target_->prepare("DELETE FROM ledger WHERE seq<?"));
  return any ? prune.run(oldest.integer(0)) : base::ok();
}

base::Result<void> Copy::copy_table(Database& source, const char* clear, const char* select_sql,
                                    const char* insert_sql, int columns) {
  SIGILLO_CHECK(target_->run(clear));
  SIGILLO_TRY(auto select, source.prepare(select_sql));
  SIGILLO_TRY(auto insert, target_->prepare(insert_sql));
  auto cursor = select();
  for (;;) {
    SIGILLO_TRY(const bool row, cursor.next());
    if (!row) return base::ok();
    if (columns == 2) {
      SIGILLO_CHECK(insert.run(cursor.integer(0), cursor.blob(1)));
    } else {
      SIGILLO_CHECK(insert.run(cursor.integer(0), cursor.integer(1), cursor.blob(2), cursor.blob(3)));
    }
  }
}

// The store's own entry: root and guard hash under the new fresh key, and where a replay begins, as the last
// fold said. From here on the new file is ahead of the old one by this entry.
base::Result<void> Copy::write_fold(Database& source) {
  State state(from_fresh_.clone());
  SIGILLO_CHECK(load_snapshot(source, state));
  Lanes rows, guards;
  SIGILLO_TRY(auto put_bucket, target_->prepare("INSERT OR REPLACE INTO bucket VALUES(?,?)"));
  for (std::uint32_t id = 0; id < FreshRows::kBuckets; ++id) {
    if (hashes_[id].zero()) continue;
    rows += to_prf_.bucket(static_cast<std::uint16_t>(id), hashes_[id]);
    SIGILLO_CHECK(put_bucket.run(static_cast<std::int64_t>(id), hashes_[id].bytes()));
  }
  SIGILLO_CHECK(write_queues(*target_, queues_));
  for (const auto& [part, set] : queues_) rows += to_prf_.queue_part(part, set);
  SIGILLO_TRY(auto select, target_->prepare("SELECT block, entries FROM guard"));
  auto cursor = select();
  for (;;) {
    SIGILLO_TRY(const bool row, cursor.next());
    if (!row) break;
    guards += to_prf_.guard_block(static_cast<std::uint16_t>(cursor.integer(0)), cursor.blob(1));
  }
  LedgerEntry entry;
  entry.seq = state.head.seq + 1;
  entry.node = options_.node;
  entry.event.time = state.head.time;
  entry.event.kind = kEventStoreFold;
  entry.event.channel = "appliance";
  entry.event.attempt = state.replay_from;
  entry.root = to_prf_.root(rows);
  entry.guard_hash = to_prf_.guard_hash(guards);
  entry.hash = chain_hash(state.head.hash, entry);
  SIGILLO_TRY(auto insert, target_->prepare("INSERT INTO ledger VALUES(?,?,?)"));
  SIGILLO_CHECK(insert.run(static_cast<std::int64_t>(entry.seq), pack_row(entry), entry.hash));
  return write_meta(*target_, Meta::fold_seq, static_cast<std::int64_t>(entry.seq));
}

base::Result<void> Copy::finish() {
  const std::string making = making_of(options_.path);
  std::error_code ignored;
  {
    SIGILLO_TRY(auto source, Database::open(options_.path, from_page_, Database::Access::write));
    SIGILLO_CHECK(round(source, {}));
    SIGILLO_TRY(auto transaction, Transaction::begin(*target_));
    SIGILLO_CHECK(write_fold(source));
    SIGILLO_CHECK(transaction.commit());
    SIGILLO_CHECK(target_->run("PRAGMA wal_checkpoint(TRUNCATE)"));
    target_.reset();
    State state(to_fresh_.clone());
    SIGILLO_TRY(auto made, Database::open(making, to_page_, Database::Access::write));
    SIGILLO_CHECK(load_snapshot(made, state));  // it opens, and all of it holds under the new keys
  }
  // The last connection to close folds the WAL into the file and removes it. One that is still there is
  // somebody else's, and the new file under its name would be read together with it.
  for (const auto& path : {options_.path, making}) {
    if (std::filesystem::exists(path + "-wal", ignored))
      return base::Error(Errc::unavailable, "somebody else has the store's file open (an export, a backup)");
  }
  SIGILLO_CHECK(sync_file(making));
  if (std::rename(making.c_str(), options_.path.c_str()) != 0)
    return failed("the new file could not take the old one's place");
  placed_ = true;
  return sync_folder(std::filesystem::path(options_.path).parent_path());
}

}  // namespace

base::Result<std::unique_ptr<StoreCopy>> StoreCopy::begin(const StoreOptions& options, const StoreKeys& from,
                                                          const StoreKeys& to) {
  remove_copy(options.path);
  SIGILLO_TRY(auto target, Database::open(making_of(options.path), to.page_key, Database::Access::create));
  SIGILLO_CHECK(create_schema(target));
  std::unique_ptr<StoreCopy> copy =
      std::make_unique<Copy>(options, from.page_key.clone(), from.fresh_key.clone(), to.page_key.clone(),
                             to.fresh_key.clone(), std::move(target));
  return copy;
}

base::Result<bool> opens_with(const std::string& path, const base::Secret& page_key) {
  auto db = Database::open(path, page_key, Database::Access::read);
  if (db) {
    db->checkpoint_on_close(false);
    return true;
  }
  if (db.error().raw() == kNotADatabase) return false;
  return db.error();
}

}  // namespace sigillo::sealed_store
