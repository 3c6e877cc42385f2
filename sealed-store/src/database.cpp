#include "database.hpp"

#define SQLITE_HAS_CODEC 1  // declares sqlite3_key
#include <sqlite3.h>

#include <mutex>

#include <base/log.hpp>

namespace sigillo::sealed_store {
namespace {

// Another process (an officer's backup) may hold the write lock for a moment.
constexpr int kBusyTimeoutMs = 2000;
// Pages in the WAL before the writer folds them into the file: 16 MiB, so that one checkpoint serves many
// commits.
constexpr const char* kWalPages = "PRAGMA wal_autocheckpoint=4000";
constexpr const char* kWriterCache = "PRAGMA cache_size=-65536";
constexpr const char* kReaderCache = "PRAGMA cache_size=-4096";

base::Error failure(sqlite3* db, int code, const char* what) {
  const auto raw = static_cast<unsigned long>(db != nullptr ? sqlite3_extended_errcode(db) : code);
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // SQLCipher's word for a page whose HMAC does not hold
      return {Errc::corrupt, what, raw};
    default:
      return {Errc::unavailable, what, raw};
  }
}

// SQLite's own complaints go to our log by their number: the texts may quote SQL and paths.
void on_sqlite_log(void*, int code, const char*) {
  if (code == SQLITE_NOTICE_RECOVER_WAL || code == SQLITE_SCHEMA) return;
  base::log::warn("store.sqlite", {{"code", code}});
}

void initialize_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    sqlite3_config(SQLITE_CONFIG_LOG, &on_sqlite_log, nullptr);
    sqlite3_initialize();
    // E7: SQLCipher's locking of every allocation needs a LimitMEMLOCK of the page cache's size, and floods
    // the log without it; the raw key alone is what this module holds in locked memory.
    base::log::info("store.memory", {{"cipher_memory_security", false}});
  });
}

}  // namespace

Cursor::~Cursor() {
  if (statement_ != nullptr) {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
}

base::Result<bool> Cursor::next() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return failure(db_, code, "SQLite step");
}

std::int64_t Cursor::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

base::ByteView Cursor::blob(int column) const {
  const auto* data = static_cast<const base::Byte*>(sqlite3_column_blob(statement_, column));
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(db_, other.db_);
  std::swap(statement_, other.statement_);
  return *this;
}

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

void Statement::bind(int index, std::int64_t value) {
  sqlite3_bind_int64(statement_, index, value);
}

void Statement::bind(int index, base::ByteView value) {
  static constexpr base::Byte kEmpty = 0;  // a null pointer would bind NULL
  sqlite3_bind_blob64(statement_, index, value.empty() ? &kEmpty : value.data(), value.size(), SQLITE_STATIC);
}

void Database::Close::operator()(sqlite3* db) const {
  sqlite3_close_v2(db);
}

base::Result<Database> Database::open(const std::string& path, const base::Secret& page_key, Access access) {
  initialize_once();
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
  flags |= access == Access::read ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (access == Access::create) flags |= SQLITE_OPEN_CREATE;
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  Database db(raw);  // also a failed open leaves a handle that must be closed
  if (code != SQLITE_OK) return failure(raw, code, "opening the database");
  sqlite3_busy_timeout(raw, kBusyTimeoutMs);
  SIGILLO_CHECK(db.run("PRAGMA cipher_memory_security=OFF"));
  SIGILLO_CHECK(db.key(page_key));
  SIGILLO_CHECK(db.configure(access));
  return db;
}

// The raw form x'<64 hex>' takes no key derivation; built in a Secret, because hex in a std::string would
// stay behind.
base::Result<void> Database::key(const base::Secret& page_key) {
  if (page_key.size() != 32) return base::Error(Errc::corrupt, "the page key must have 32 bytes");
  static constexpr char kHex[] = "0123456789abcdef";
  base::Secret form(67);
  auto out = form.writable();
  std::size_t at = 0;
  out[at++] = 'x';
  out[at++] = '\'';
  for (const auto byte : page_key.expose()) {
    out[at++] = static_cast<base::Byte>(kHex[byte >> 4]);
    out[at++] = static_cast<base::Byte>(kHex[byte & 15]);
  }
  out[at] = '\'';
  const int code = sqlite3_key(db_.get(), form.expose().data(), static_cast<int>(form.size()));
  if (code != SQLITE_OK) return failure(db_.get(), code, "keying the database");
  // sqlite3_key accepts anything: only a read tells whether this is the key.
  return run("SELECT count(*) FROM sqlite_master");
}

base::Result<void> Database::configure(Access access) {
  if (access != Access::read) {
    SIGILLO_CHECK(expect("PRAGMA journal_mode=WAL", "wal"));
    SIGILLO_CHECK(run("PRAGMA synchronous=FULL"));
    SIGILLO_CHECK(expect("PRAGMA synchronous", "2"));
    SIGILLO_CHECK(expect("PRAGMA secure_delete=ON", "1"));
    SIGILLO_CHECK(run(kWalPages));
    SIGILLO_CHECK(run(kWriterCache));
  } else {
    SIGILLO_CHECK(expect("PRAGMA journal_mode", "wal"));
    SIGILLO_CHECK(run("PRAGMA query_only=ON"));
    SIGILLO_CHECK(run(kReaderCache));
  }
  SIGILLO_CHECK(run("PRAGMA temp_store=MEMORY"));  // a sorter's spill would stand on the disk in clear
  return run("PRAGMA mmap_size=0");                // a file cut short would be a SIGBUS instead of an error
}

base::Result<void> Database::expect(const char* pragma, std::string_view value) {
  SIGILLO_TRY(auto statement, prepare(pragma));
  auto cursor = statement();
  SIGILLO_TRY(const bool row, cursor.next());
  if (!row || base::text(cursor.blob(0)) != value)
    return base::Error(Errc::unavailable, "a pragma did not take effect");
  return base::ok();
}

base::Result<void> Database::run(const char* sql) {
  const int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure(db_.get(), code, "SQLite exec");
  return base::ok();
}

base::Result<Statement> Database::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return failure(db_.get(), code, "SQLite prepare");
  return Statement(db_.get(), statement);
}

void Database::checkpoint_on_close(bool on) {
  sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on ? 0 : 1, nullptr);
}

base::Result<Transaction> Transaction::begin(Database& db) {
  SIGILLO_CHECK(db.run("BEGIN IMMEDIATE"));
  return Transaction(db);
}

Transaction::~Transaction() {
  // SQLite may have rolled back by itself after an I/O error; then this one has nothing to do and says so.
  if (db_ != nullptr) (void)db_->run("ROLLBACK");
}

base::Result<void> Transaction::commit() {
  SIGILLO_CHECK(db_->run("COMMIT"));
  db_ = nullptr;
  return base::ok();
}

}  // namespace sigillo::sealed_store
