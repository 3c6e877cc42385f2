#include "database.hpp"

#define SQLITE_HAS_CODEC 1  // declares sqlite3_key
#include <sqlite3.h>

#include <atomic>
#include <mutex>

#include <base/log.hpp>

namespace sigillo::sealed_store {
namespace {

// Another process (an officer's backup) may hold the write lock for a moment.
constexpr int kBusyTimeoutMs = 2000;
constexpr const char* kWriterCache = "PRAGMA cache_size=-65536";
// The upper levels of a tree of a million records; a reader looks into one leaf of it that no cache has.
constexpr const char* kReaderCache = "PRAGMA cache_size=-32768";

base::Error failure(sqlite3* db, int code, const char* what) {
  const auto raw = static_cast<unsigned long>(db != nullptr ? sqlite3_extended_errcode(db) : code);
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // SQLCipher's word for a page whose HMAC does not hold
      return {Errc::corrupt, what, raw};
    // What an operator mends is said as that, whatever was being done.
    case SQLITE_FULL:
      return {Errc::unavailable, "the disk is full", raw};
    case SQLITE_READONLY:
      return {Errc::unavailable, "the file, its folder or its disk cannot be written", raw};
    case SQLITE_CANTOPEN:
      return {Errc::unavailable,
              "the file cannot be opened: it is not there, or it or its folder is not this user's", raw};
    default:
      return {Errc::unavailable, what, raw};
  }
}

// SQLite's own complaints go to our log by their number: the texts may quote SQL and paths.
void on_sqlite_log(void*, int code, const char*) {
  if (code == SQLITE_NOTICE_RECOVER_WAL || code == SQLITE_SCHEMA) return;
  base::log::warn("store.sqlite", {{"code", code}});
}

bool reads_only(Database::Access access) {
  return access == Database::Access::read || access == Database::Access::frozen;
}

// A name that means itself, whatever characters are in it.
std::string frozen_uri(const std::string& path) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      const auto byte = static_cast<unsigned char>(c);
      uri += {'%', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      uri += c;
    }
  }
  return uri + "?immutable=1";
}

void initialize_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    sqlite3_config(SQLITE_CONFIG_LOG, &on_sqlite_log, nullptr);
    sqlite3_initialize();
    // SQLCipher's locking of every allocation needs a LimitMEMLOCK of the page cache's size, and floods
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

// The form that the last file had is tried first: a process has one store, and SQLCipher complains on the
// error stream of each try that fails.
base::Result<Database> Database::open(const std::string& path, const base::Secret& page_key, Access access) {
  using enum PageForm;
  static std::atomic<PageForm> last = hmac_sha256;
  if (access == Access::create) return open_as(hmac_sha256, path, page_key, access);
  const auto form = last.load();
  auto opened = open_as(form, path, page_key, access);
  if (opened || !opened.error().is(Errc::corrupt)) return opened;
  const auto other = form == hmac_sha256 ? hmac_sha512 : hmac_sha256;
  auto of_other = open_as(other, path, page_key, access);
  if (!of_other) return opened;
  last = other;
  return of_other;
}

base::Result<Database> Database::open_to_fill(const std::string& path, const base::Secret& page_key,
                                              const Database& source) {
  return open_as(source.form_, path, page_key, Access::fill);
}

base::Result<Database> Database::open_as(PageForm form, const std::string& path, const base::Secret& page_key,
                                         Access access) {
  initialize_once();
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
  flags |= reads_only(access) ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (access == Access::create) flags |= SQLITE_OPEN_CREATE;
  if (access == Access::frozen) flags |= SQLITE_OPEN_URI;
  const std::string name = access == Access::frozen ? frozen_uri(path) : path;
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &raw, flags, nullptr);
  Database db(raw, form);  // also a failed open leaves a handle that must be closed
  if (code != SQLITE_OK) return failure(raw, code, "opening the database");
  sqlite3_busy_timeout(raw, kBusyTimeoutMs);
  SIGILLO_CHECK(db.run("PRAGMA cipher_memory_security=OFF"));
  if (auto keyed = db.key(page_key); !keyed) {
    db.checkpoint_on_close(false);  // what does not open is left as it was found
    return keyed.error();
  }
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
  SIGILLO_CHECK(run(form_ == PageForm::hmac_sha256 ? "PRAGMA cipher_hmac_algorithm=HMAC_SHA256"
                                                   : "PRAGMA cipher_hmac_algorithm=HMAC_SHA512"));
  // sqlite3_key accepts anything: only a read tells whether this is the key.
  return run("SELECT count(*) FROM sqlite_master");
}

base::Result<void> Database::configure(Access access) {
  if (access == Access::fill) {
    SIGILLO_CHECK(expect("PRAGMA journal_mode=OFF", "off"));
    SIGILLO_CHECK(run("PRAGMA synchronous=OFF"));
    SIGILLO_CHECK(run(kReaderCache));
  } else if (reads_only(access)) {
    if (access == Access::read) SIGILLO_CHECK(expect("PRAGMA journal_mode", "wal"));
    SIGILLO_CHECK(run("PRAGMA query_only=ON"));
    SIGILLO_CHECK(run(kReaderCache));
  } else {
    SIGILLO_CHECK(expect("PRAGMA journal_mode=WAL", "wal"));
    SIGILLO_CHECK(run("PRAGMA synchronous=FULL"));
    SIGILLO_CHECK(expect("PRAGMA synchronous", "2"));
    SIGILLO_CHECK(expect("PRAGMA secure_delete=ON", "1"));
    const auto note = [](void* pages, sqlite3*, const char*, int count) {
      *static_cast<std::size_t*>(pages) = static_cast<std::size_t>(count);
      return SQLITE_OK;
    };
    sqlite3_wal_hook(db_.get(), note, wal_pages_.get());  // in place of the automatic checkpoint
    SIGILLO_CHECK(run(kWriterCache));
    SIGILLO_TRY(begin_, prepare("BEGIN IMMEDIATE"));
    SIGILLO_TRY(commit_, prepare("COMMIT"));
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

// As far as readers in other processes let it.
base::Result<void> Database::checkpoint() {
  return run("PRAGMA wal_checkpoint(PASSIVE)");
}

base::Result<std::int64_t> Database::number(const char* sql) {
  SIGILLO_TRY(auto statement, prepare(sql));
  auto cursor = statement();
  SIGILLO_TRY(const bool row, cursor.next());
  return row ? cursor.integer(0) : std::int64_t{0};
}

void Database::checkpoint_on_close(bool on) {
  sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on ? 0 : 1, nullptr);
}

void PageCopy::Finish::operator()(sqlite3_backup* copy) const {
  sqlite3_backup_finish(copy);
}

base::Result<PageCopy> PageCopy::begin(Database& from, Database& to) {
  auto* const copy = sqlite3_backup_init(to.db_.get(), "main", from.db_.get(), "main");
  if (copy == nullptr)
    return failure(to.db_.get(), sqlite3_errcode(to.db_.get()), "beginning a copy of the file");
  return PageCopy(to.db_.get(), copy);
}

base::Result<bool> PageCopy::step(int pages) {
  const int code = sqlite3_backup_step(copy_.get(), pages);
  if (code == SQLITE_OK) return true;
  if (code == SQLITE_DONE) return false;
  return base::Error(failure(nullptr, code, "copying the file"));
}

std::uint64_t PageCopy::total() const {
  return static_cast<std::uint64_t>(sqlite3_backup_pagecount(copy_.get()));
}

std::uint64_t PageCopy::done() const {
  return total() - static_cast<std::uint64_t>(sqlite3_backup_remaining(copy_.get()));
}

base::Result<void> PageCopy::finish() {
  const int code = sqlite3_backup_finish(copy_.release());
  if (code != SQLITE_OK) return failure(to_, code, "copying the file");
  return base::ok();
}

base::Result<Transaction> Transaction::begin(Database& db) {
  SIGILLO_CHECK(db.begin_.run());
  return Transaction(db);
}

Transaction::~Transaction() {
  // SQLite may have rolled back by itself after an I/O error; then this one has nothing to do and says so.
  if (db_ != nullptr) (void)db_->run("ROLLBACK");
}

base::Result<void> Transaction::commit() {
  SIGILLO_CHECK(db_->commit_.run());
  db_ = nullptr;
  return base::ok();
}

}  // namespace sigillo::sealed_store
