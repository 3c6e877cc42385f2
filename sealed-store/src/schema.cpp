#include "schema.hpp"

#include <algorithm>
#include <iterator>

#include "record_rows.hpp"

namespace sigillo::sealed_store {
namespace {

// Rows clustered by their ids go to their places.
base::Result<void> move_records(Database& db) {
  SIGILLO_TRY(auto rows, RowQueries::prepare(db));
  SIGILLO_TRY(auto select, db.prepare("SELECT id, tbl, queue, due, sealed FROM record_by_id"));
  SIGILLO_TRY(auto insert,
              db.prepare("INSERT INTO record(place, id, tbl, queue, due, sealed) VALUES(?,?,?,?,?,?)"));
  auto cursor = select();
  for (;;) {
    SIGILLO_TRY(const bool found, cursor.next());
    if (!found) return base::ok();
    SIGILLO_TRY(const auto key, key_of(cursor));
    SIGILLO_TRY(const auto place, rows.free_place(key));
    SIGILLO_CHECK(insert.run(place, key.id, key.table, cursor.integer(2), cursor.integer(3), cursor.blob(4)));
  }
}

struct Migration {
  const char* script;
  base::Result<void> (*move)(Database&) = nullptr;
  const char* after = "";
};

constexpr Migration kMigrations[] = {
    // 1
    {"CREATE TABLE meta(key INTEGER PRIMARY KEY, value INTEGER NOT NULL);"
     "CREATE TABLE ledger(seq INTEGER PRIMARY KEY, entry BLOB NOT NULL, hash BLOB NOT NULL);"
     "CREATE TABLE record(id BLOB NOT NULL, tbl INTEGER NOT NULL, queue INTEGER NOT NULL, due INTEGER NOT "
     "NULL,"
     "  sealed BLOB NOT NULL, PRIMARY KEY(id, tbl)) WITHOUT ROWID;"
     "CREATE INDEX record_due ON record(queue, due) WHERE queue <> 0;"
     "CREATE TABLE guard(block INTEGER PRIMARY KEY, entries BLOB NOT NULL);"
     "CREATE TABLE bucket(id INTEGER PRIMARY KEY, hash BLOB NOT NULL);"
     "CREATE TABLE bucket_log(seq INTEGER PRIMARY KEY, hashes BLOB NOT NULL);"},
    // 2
    {"CREATE TABLE ledger_base(one INTEGER PRIMARY KEY, seq INTEGER NOT NULL, hash BLOB NOT NULL, note TEXT "
     "NOT "
     "NULL);"},
    // 3
    {"DROP INDEX record_due; ALTER TABLE record RENAME TO record_by_id;"
     "CREATE TABLE record(place INTEGER PRIMARY KEY, id BLOB NOT NULL, tbl INTEGER NOT NULL, queue INTEGER "
     "NOT "
     "NULL, due INTEGER NOT NULL, sealed BLOB NOT NULL);"
     "CREATE INDEX record_due ON record(queue, due, id, tbl) WHERE queue <> 0;",
     move_records, "DROP TABLE record_by_id;"},
    // 4; what stands in the queues is counted at the next opening (opening.hpp)
    {"CREATE TABLE queue_part(part INTEGER PRIMARY KEY, hash BLOB NOT NULL);"
     "ALTER TABLE bucket_log ADD COLUMN queues BLOB NOT NULL DEFAULT x'';"},
};
constexpr std::int64_t kVersion = std::size(kMigrations);
constexpr std::int64_t kWithBase = 2;
constexpr std::int64_t kWithQueueParts = 4;

base::Result<void> migrate_from(Database& db, std::int64_t version) {
  if (version == kVersion) return base::ok();
  SIGILLO_TRY(auto transaction, Transaction::begin(db));
  for (auto next = version; next < kVersion; ++next) {
    const auto& [script, move, after] = kMigrations[next];
    SIGILLO_CHECK(db.run(script));
    if (move != nullptr) SIGILLO_CHECK(move(db));
    SIGILLO_CHECK(db.run(after));
  }
  SIGILLO_CHECK(write_meta(db, Meta::version, kVersion));
  return transaction.commit();
}

}  // namespace

base::Result<void> create_schema(Database& db) {
  SIGILLO_CHECK(migrate_from(db, 0));
  return write_meta(db, Meta::queues_counted, 1);
}

base::Result<void> check_schema(Database& db) {
  SIGILLO_TRY(const auto version, read_meta(db, Meta::version));
  if (version < 1) return base::Error(Errc::corrupt, "the file has no schema version");
  if (version > kVersion) return base::Error(Errc::schema, "the file was made by a newer version");
  return base::ok();
}

base::Result<void> check_schema_is_ours(Database& db) {
  SIGILLO_CHECK(check_schema(db));
  SIGILLO_TRY(const auto version, read_meta(db, Meta::version));
  if (version < kVersion)
    return base::Error(Errc::schema, "the file was made by an earlier version, which reads it");
  return base::ok();
}

base::Result<bool> queues_counted(Database& db) {
  SIGILLO_TRY(const auto version, read_meta(db, Meta::version));
  if (version < kWithQueueParts) return false;
  SIGILLO_TRY(const auto counted, read_meta(db, Meta::queues_counted));
  return counted != 0;
}

base::Result<void> migrate(Database& db) {
  SIGILLO_TRY(const auto version, read_meta(db, Meta::version));
  return migrate_from(db, version);
}

base::Result<std::int64_t> read_meta(Database& db, Meta which) {
  SIGILLO_TRY(auto statement, db.prepare("SELECT value FROM meta WHERE key=?"));
  auto cursor = statement(static_cast<std::int64_t>(which));
  SIGILLO_TRY(const bool row, cursor.next());
  return row ? cursor.integer(0) : std::int64_t{0};
}

base::Result<LedgerBase> read_base(Database& db) {
  SIGILLO_TRY(const auto version, read_meta(db, Meta::version));
  LedgerBase base;
  if (version < kWithBase) return base;
  SIGILLO_TRY(auto statement, db.prepare("SELECT seq, hash, note FROM ledger_base"));
  auto cursor = statement();
  SIGILLO_TRY(const bool row, cursor.next());
  if (!row) return base;
  const auto hash = cursor.blob(1);
  if (hash.size() != base.hash.size()) return base::Error(Errc::corrupt, "a stored hash has a wrong length");
  base.seq = static_cast<std::uint64_t>(cursor.integer(0));
  std::ranges::copy(hash, base.hash.begin());
  base.note = std::string(base::text(cursor.blob(2)));
  return base;
}

base::Result<void> write_meta(Database& db, Meta which, std::int64_t value) {
  SIGILLO_TRY(auto statement, db.prepare("INSERT OR REPLACE INTO meta VALUES(?,?)"));
  return statement.run(static_cast<std::int64_t>(which), value);
}

}  // namespace sigillo::sealed_store
