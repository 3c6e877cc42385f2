#include "record_reader.hpp"

#include <algorithm>

#include "ledger_row.hpp"

namespace sigillo::sealed_store {
namespace {

// A read takes well under a millisecond; more connections than this only share the two or four cores.
constexpr std::size_t kConnectionsMax = 4;

}  // namespace

base::Result<std::optional<base::Bytes>> RecordReader::read(const RecordKey& key) {
  SIGILLO_TRY(auto connection, acquire());
  auto found = look(*connection, key);
  if (found && !*found) {
    const std::lock_guard no_commit(state_.commit);
    found = look(*connection, key);
  }
  release(found ? std::move(connection) : nullptr);
  if (!found) return found.error();
  if (*found) return std::move(**found);
  const std::lock_guard lock(state_.mutex);
  if (state_.in_doubt)
    return base::Error(Errc::unavailable, "a commit of unknown outcome stands before this read");
  state_.rows.alarm(Bucket::of(key));
  return base::Error(Errc::stale, "the record on disk is not the one that was acknowledged");
}

base::Result<RecordReader::Look> RecordReader::look(Connection& on, const RecordKey& key) {
  const auto id = Bucket::of(key);
  SIGILLO_TRY(bool fresh, bucket_fresh(on, id, false));
  if (!fresh) return Look{};
  SIGILLO_TRY(auto row, on.rows.row(key));
  if (row) {
    const auto print = state_.prf.row(key, row->queue, row->due_ms, row->sealed);
    const std::lock_guard lock(state_.mutex);
    if (!state_.rows.at(id).holds(key, print)) return Look{};
    return Look{std::move(row->sealed)};
  }
  {
    const std::lock_guard lock(state_.mutex);
    if (!state_.rows.at(id).knows(key)) return Look{std::optional<base::Bytes>{}};
  }
  // Taken away, or never there and another row has its tag: the whole bucket tells.
  SIGILLO_TRY(fresh, bucket_fresh(on, id, true));
  return fresh ? Look{std::optional<base::Bytes>{}} : Look{};
}

base::Result<bool> RecordReader::bucket_fresh(Connection& on, std::uint16_t id, bool again) {
  if (!again) {
    const std::lock_guard lock(state_.mutex);
    if (state_.rows.at(id).verified) return true;
  }
  SIGILLO_TRY(auto loaded, on.rows.bucket(id, state_.prf));
  const std::lock_guard lock(state_.mutex);
  return state_.rows.install(id, std::move(loaded));
}

base::Result<std::vector<DueRecord>> RecordReader::collect(Cursor cursor) {
  std::vector<DueRecord> out;
  for (;;) {
    SIGILLO_TRY(const bool found, cursor.next());
    if (!found) return out;
    const auto id = cursor.blob(0);
    DueRecord& record = out.emplace_back();
    if (id.size() != record.key.id.size())
      return base::Error(Errc::corrupt, "a record's id has a wrong length");
    std::ranges::copy(id, record.key.id.begin());
    record.key.table = static_cast<std::uint8_t>(cursor.integer(1));
    record.due.ms = cursor.integer(2);
  }
}

base::Result<std::vector<DueRecord>> RecordReader::due(std::uint8_t queue, base::Instant now,
                                                       std::size_t limit) {
  SIGILLO_TRY(auto connection, acquire());
  auto collected = collect(connection->due(queue, now.ms, static_cast<std::int64_t>(limit)));
  release(collected ? std::move(connection) : nullptr);
  return collected;
}

base::Result<std::vector<DueRecord>> RecordReader::due_at(std::uint8_t queue, base::Instant due) {
  SIGILLO_TRY(auto connection, acquire());
  auto collected = collect(connection->due_at(queue, due.ms));
  release(collected ? std::move(connection) : nullptr);
  return collected;
}

base::Result<std::vector<RecordKey>> RecordReader::scan(const std::optional<RecordKey>& after,
                                                        std::size_t limit) {
  SIGILLO_TRY(auto connection, acquire());
  std::vector<RecordKey> out;
  const auto collect = [&]() -> base::Result<void> {
    // An empty id stands before every other.
    const base::ByteView id = after ? base::ByteView(after->id) : base::ByteView();
    auto cursor = connection->scan(id, static_cast<std::int64_t>(after ? after->table : 0),
                                   static_cast<std::int64_t>(limit));
    for (;;) {
      SIGILLO_TRY(const bool found, cursor.next());
      if (!found) return base::ok();
      const auto name = cursor.blob(0);
      RecordKey& key = out.emplace_back();
      if (name.size() != key.id.size()) return base::Error(Errc::corrupt, "a record's id has a wrong length");
      std::ranges::copy(name, key.id.begin());
      key.table = static_cast<std::uint8_t>(cursor.integer(1));
    }
  };
  const auto collected = collect();
  release(collected ? std::move(connection) : nullptr);
  if (!collected) return collected.error();
  return out;
}

base::Result<std::vector<LedgerEntry>> RecordReader::ledger(std::uint64_t after, std::size_t limit) {
  SIGILLO_TRY(auto connection, acquire());
  auto entries = read_entries(connection->ledger, after, limit);
  release(entries ? std::move(connection) : nullptr);
  return entries;
}

base::Result<std::vector<LedgerEntry>> read_entries(Statement& ledger, std::uint64_t after,
                                                    std::size_t limit) {
  constexpr std::uint64_t kSeqMax = INT64_MAX;
  if (after >= kSeqMax) return std::vector<LedgerEntry>{};
  std::vector<LedgerEntry> out;
  auto cursor = ledger(static_cast<std::int64_t>(after),
                       static_cast<std::int64_t>(std::min<std::size_t>(limit, kSeqMax)));
  for (;;) {
    SIGILLO_TRY(const bool found, cursor.next());
    if (!found) return out;
    SIGILLO_TRY(auto entry, unpack_row(static_cast<std::uint64_t>(cursor.integer(0)), cursor.blob(1)));
    const auto hash = cursor.blob(2);
    if (hash.size() != entry.hash.size())
      return base::Error(Errc::corrupt, "a chain hash has a wrong length");
    std::ranges::copy(hash, entry.hash.begin());
    out.push_back(std::move(entry));
  }
}

base::Result<RecordReader::Owned> RecordReader::acquire() {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [this] { return !idle_.empty() || open_ < kConnectionsMax; });
  if (!idle_.empty()) {
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
  }
  ++open_;
  lock.unlock();
  auto connection = connect();
  if (!connection) release(nullptr);
  return connection;
}

void RecordReader::release(Owned connection) {
  {
    const std::lock_guard lock(mutex_);
    if (connection) {
      idle_.push_back(std::move(connection));
    } else {
      --open_;
    }
  }
  freed_.notify_one();
}

base::Result<RecordReader::Owned> RecordReader::connect() {
  SIGILLO_TRY(auto db, Database::open(path_, page_key_, Database::Access::read));
  SIGILLO_TRY(auto rows, RowQueries::prepare(db));
  SIGILLO_TRY(auto due, db.prepare("SELECT id, tbl, due FROM record INDEXED BY record_due "
                                   "WHERE queue=? AND queue<>0 AND due<=? ORDER BY due LIMIT ?"));
  SIGILLO_TRY(auto due_at, db.prepare("SELECT id, tbl, due FROM record INDEXED BY record_due "
                                      "WHERE queue=? AND queue<>0 AND due=?"));
  SIGILLO_TRY(auto scan,
              db.prepare("SELECT id, tbl FROM record WHERE (id, tbl)>(?,?) ORDER BY id, tbl LIMIT ?"));
  SIGILLO_TRY(auto ledger, db.prepare(kSelectLedger));
  auto connection = std::make_unique<Connection>(Connection{
      std::move(db), std::move(rows), std::move(due), std::move(due_at), std::move(scan), std::move(ledger)});
  return connection;
}

}  // namespace sigillo::sealed_store
