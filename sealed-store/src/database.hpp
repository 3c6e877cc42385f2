// Database: one keyed connection to the SQLCipher file, and the only place that speaks sqlite3. It owns the
// pragmas and checks their effect; statements give their rows through a Cursor that resets them; a
// Transaction rolls back unless it was committed. Every failure is an Error with SQLite's extended code:
// Errc::corrupt where the file's content does not hold, Errc::unavailable where the disk does not serve.
// Thread rule: a connection and all that hangs on it belong to one thread at a time.
#pragma once

#include <memory>
#include <string>

#include <base/secret.hpp>
#include <sealed_store/store.hpp>

struct sqlite3;
struct sqlite3_backup;
struct sqlite3_stmt;

namespace sigillo::sealed_store {

// One execution of a statement; resets it when it goes. Blobs stay valid until the next call of next().
class Cursor {
 public:
  Cursor(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  Cursor(Cursor&& other) noexcept : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)) {}
  Cursor& operator=(Cursor&&) = delete;
  ~Cursor();

  base::Result<bool> next();  // true: a row is there
  std::int64_t integer(int column) const;
  base::ByteView blob(int column) const;

 private:
  sqlite3* db_;
  sqlite3_stmt* statement_;
};

class Statement {
 public:
  Statement() = default;
  Statement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  Statement(Statement&& other) noexcept
      : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  // Arguments are integers and byte views; the bytes must outlive the cursor.
  template <class... Args>
  Cursor operator()(const Args&... args) {
    int index = 0;
    (bind(++index, args), ...);
    return {db_, statement_};
  }
  template <class... Args>
  base::Result<void> run(const Args&... args) {
    auto cursor = (*this)(args...);
    SIGILLO_TRY([[maybe_unused]] const bool row, cursor.next());
    return base::ok();
  }

 private:
  void bind(int index, std::int64_t value);
  void bind(int index, base::ByteView value);
  sqlite3* db_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;
};

class Database {
 public:
  enum class Access {
    create,
    write,
    read,
    fill,    // open_to_fill(): no journal and no sync, for until it is whole it is nobody's
    frozen,  // that nobody has open or writes: read as it is, without lock, and nothing made beside it
  };

  // `page_key` is SQLCipher's raw key, 32 bytes. A wrong key or a damaged first page is Errc::corrupt. A file
  // that is made has pages of the first form, one that is there its own.
  static base::Result<Database> open(const std::string& path, const base::Secret& page_key, Access access);
  // A file that is to take another's pages: in that one's form, for its pages have the room of its HMAC.
  static base::Result<Database> open_to_fill(const std::string& path, const base::Secret& page_key,
                                             const Database& source);

  base::Result<void> run(const char* sql);
  base::Result<Statement> prepare(const char* sql);
  base::Result<std::int64_t> number(const char* sql);  // the first column of the first row; 0 without one
  // Whether closing the last connection may fold the WAL into the main file; a refused file is left as it was
  // found.
  void checkpoint_on_close(bool on);
  // Pages that the last commit left in the WAL. Nobody folds them into the file but checkpoint(): SQLite's
  // own way would do it inside a commit, before its answers have left.
  std::size_t wal_pages() const { return *wal_pages_; }
  base::Result<void> checkpoint();

 private:
  friend class PageCopy;
  struct Close {
    void operator()(sqlite3* db) const;
  };
  // What a page's HMAC is made with. SHA-512 (SQLCipher's own choice) takes twice to four times as long as
  // SHA-256 where the processor knows that; files of before have it.
  enum class PageForm : std::uint8_t { hmac_sha256, hmac_sha512 };

  Database(sqlite3* db, PageForm form) : form_(form), db_(db) {}
  static base::Result<Database> open_as(PageForm form, const std::string& path, const base::Secret& page_key,
                                        Access access);
  base::Result<void> key(const base::Secret& page_key);
  base::Result<void> configure(Access access);
  base::Result<void> expect(const char* pragma, std::string_view value);

  PageForm form_;
  // Before the connection, which tells it: it goes after.
  std::unique_ptr<std::size_t> wal_pages_ = std::make_unique<std::size_t>(0);
  std::unique_ptr<sqlite3, Close> db_;
  friend class Transaction;
  Statement begin_, commit_;  // of a connection that writes
};

// sqlite3_backup, from one keyed connection to another: pages are opened under the one key and closed under
// the other, and never on a disk in clear. The source stands in a read transaction of its own meanwhile:
// without one the copy would begin anew at every commit of somebody else's, and under load never end.
class PageCopy {
 public:
  static base::Result<PageCopy> begin(Database& from, Database& to);
  base::Result<bool> step(int pages);  // true: there are more
  std::uint64_t total() const;         // pages; known after the first step
  std::uint64_t done() const;
  base::Result<void> finish();

 private:
  struct Finish {
    void operator()(sqlite3_backup* copy) const;
  };
  PageCopy(sqlite3* to, sqlite3_backup* copy) : to_(to), copy_(copy) {}
  sqlite3* to_;
  std::unique_ptr<sqlite3_backup, Finish> copy_;
};

class Transaction {
 public:
  static base::Result<Transaction> begin(Database& db);  // BEGIN IMMEDIATE: the write lock is taken here
  Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();  // ROLLBACK unless committed
  base::Result<void> commit();

 private:
  explicit Transaction(Database& db) : db_(&db) {}
  Database* db_;
};

}  // namespace sigillo::sealed_store
