#include "record_reader.hpp"

#include <algorithm>

#include "ledger_row.hpp"

namespace sigillo::sealed_store {
namespace {

// A read takes well under a millisecond; more connections than this only share the two or four cores.
constexpr std::size_t kConnectionsMax = 4;

base::Error of_unknown_outcome() {
  return {Errc::unavailable, "a commit of unknown outcome stands before this read"};
}

}  // namespace

// Twice in a row is what stands on the disk; once may be a snapshot from before a commit, or a commit
// half-way.
template <class T, class Attempt>
base::Result<std::optional<T>> RecordReader::agreed(std::uint16_t bucket, Attempt look) {
  SIGILLO_TRY(auto connection, acquire());
  const auto look_anew = [&]() -> base::Result<std::optional<T>> {
    SIGILLO_CHECK(renew(*connection));
    return look(*connection);
  };
  const bool recent =
      connection->snapshot && std::chrono::steady_clock::now() - *connection->snapshot < snapshot_max_;
  base::Result<std::optional<T>> found = recent ? look(*connection) : look_anew();
  if (recent && found && !*found) found = look_anew();
  bool doubtful = false;
  if (found && !*found) {
    const std::lock_guard no_commit(state_.commit);
    doubtful = in_doubt();
    found = look_anew();
  }
  release(found ? std::move(connection) : nullptr);
  if (!found || *found) return found;
  if (doubtful) return of_unknown_outcome();
  const std::lock_guard lock(state_.mutex);
  state_.rows.alarm(bucket);
  return base::Error(Errc::stale, "the record on disk is not the one that was acknowledged");
}

// Asked before the disk is: the writer may know the outcome by the time that was read.
bool RecordReader::in_doubt() const {
  const std::lock_guard lock(state_.mutex);
  return state_.in_doubt;
}

base::Result<std::optional<base::Bytes>> RecordReader::read(const RecordKey& key) {
  const auto one = [&](Connection& on) { return look(on, key); };
  SIGILLO_TRY(auto found, agreed<std::optional<base::Bytes>>(Bucket::of(key), one));
  return std::move(*found);
}

base::Result<void> RecordReader::check(std::uint16_t bucket, bool again) {
  const auto all = [&](Connection& on) -> base::Result<std::optional<bool>> {
    SIGILLO_TRY(const bool fresh, bucket_fresh(on, bucket, again));
    return fresh ? std::optional(true) : std::nullopt;
  };
  SIGILLO_CHECK(agreed<bool>(bucket, all));
  return base::ok();
}

base::Result<void> RecordReader::end_snapshot(Connection& connection) {
  if (!connection.snapshot) return base::ok();
  connection.snapshot.reset();
  return connection.end.run();
}

base::Result<void> RecordReader::renew(Connection& connection) {
  SIGILLO_CHECK(end_snapshot(connection));
  SIGILLO_CHECK(connection.begin.run());
  connection.snapshot = std::chrono::steady_clock::now();
  return base::ok();
}

void RecordReader::stay_in_snapshots(bool stay) {
  const std::lock_guard lock(mutex_);
  stay_ = stay;
  if (stay) return;
  // One whose snapshot does not end is of no use, and goes.
  open_ -= std::erase_if(idle_, [](const Owned& connection) { return !end_snapshot(*connection); });
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
    SIGILLO_TRY(const auto key, key_of(cursor));
    out.push_back({{cursor.integer(2)}, key});
  }
}

base::Result<std::vector<DueRecord>> RecordReader::due(std::uint8_t queue, base::Instant now,
                                                       std::size_t limit,
                                                       const std::optional<DueRecord>& after) {
  SIGILLO_TRY(auto connection, acquire_current());
  // An empty id stands before every other.
  const base::ByteView id = after ? base::ByteView(after->key.id) : base::ByteView();
  auto collected = collect(connection->due(queue, now.ms, after ? after->due.ms : INT64_MIN, id,
                                           static_cast<std::int64_t>(after ? after->key.table : 0),
                                           static_cast<std::int64_t>(limit)));
  release(collected ? std::move(connection) : nullptr);
  return collected;
}

base::Result<std::vector<DueRecord>> RecordReader::due_at(std::uint8_t queue, base::Instant due) {
  std::vector<DueRecord> out;
  const auto part = FreshQueues::part_of(queue, due.ms);
  SIGILLO_CHECK(walk(FreshQueues::range_of(part), [&](const DueRecord& record) {
    if (record.due == due) out.push_back(record);
  }));
  return out;
}

base::Result<std::vector<DueRecord>> RecordReader::members(std::uint8_t queue) {
  std::vector<DueRecord> out;
  SIGILLO_CHECK(walk({queue, INT64_MIN, INT64_MAX}, [&](const DueRecord& record) { out.push_back(record); }));
  return out;
}

base::Result<void> RecordReader::check_part(FreshQueues::Part part) {
  return walk(FreshQueues::range_of(part), [](const DueRecord&) {});
}

// In one snapshot, which begins while no commit is half-way: what memory knows then is what it must hold.
base::Result<void> RecordReader::walk(const FreshQueues::Range& range,
                                      const std::function<void(const DueRecord&)>& visit) {
  SIGILLO_TRY(auto connection, acquire());
  auto walked = walk_on(*connection, range, visit);
  const auto ended = end_snapshot(*connection);
  release(walked && ended ? std::move(connection) : nullptr);
  if (!walked || *walked) return walked ? base::ok() : base::Result<void>(walked.error());
  const std::lock_guard lock(state_.mutex);
  state_.queues.alarm(FreshQueues::part_of(range.queue, range.first));
  return base::Error(Errc::stale, "the list on disk is not the one that was acknowledged");
}

base::Result<bool> RecordReader::walk_on(Connection& on, const FreshQueues::Range& range,
                                         const std::function<void(const DueRecord&)>& visit) {
  std::unique_lock no_commit(state_.commit);
  const bool doubtful = in_doubt();
  SIGILLO_CHECK(renew(on));
  auto cursor = on.members(range.queue, range.first, range.last);
  SIGILLO_TRY(bool found, cursor.next());
  Lanes expected;
  {
    const std::lock_guard lock(state_.mutex);
    const bool all = range.first == INT64_MIN && range.last == INT64_MAX;
    expected = all ? state_.queues.sum(range.queue)
                   : state_.queues.at(FreshQueues::part_of(range.queue, range.last));
  }
  no_commit.unlock();
  while (found) {
    SIGILLO_TRY(const auto key, key_of(cursor));
    expected -= state_.prf.queued(key, range.queue, cursor.integer(2));
    visit({{cursor.integer(2)}, key});
    SIGILLO_TRY(found, cursor.next());
  }
  if (doubtful && !expected.zero()) return of_unknown_outcome();
  return expected.zero();
}

base::Result<std::vector<RecordKey>> RecordReader::scan(const std::optional<RecordKey>& after,
                                                        std::size_t limit) {
  SIGILLO_TRY(auto connection, acquire_current());
  std::vector<RecordKey> out;
  const auto collect = [&]() -> base::Result<void> {
    const auto [first, last] = after ? places_of(*after) : Places{-1, -1};
    const base::ByteView id = after ? base::ByteView(after->id) : base::ByteView();
    auto cursor = connection->scan(first, last, id, static_cast<std::int64_t>(limit));
    for (;;) {
      SIGILLO_TRY(const bool found, cursor.next());
      if (!found) return base::ok();
      SIGILLO_TRY(const auto key, key_of(cursor));
      out.push_back(key);
    }
  };
  const auto collected = collect();
  release(collected ? std::move(connection) : nullptr);
  if (!collected) return collected.error();
  return out;
}

base::Result<std::vector<LedgerEntry>> RecordReader::ledger(std::uint64_t after, std::size_t limit) {
  SIGILLO_TRY(auto connection, acquire_current());
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

// Outside every snapshot: what it reads is committed now.
base::Result<RecordReader::Owned> RecordReader::acquire_current() {
  SIGILLO_TRY(auto connection, acquire());
  const auto ended = end_snapshot(*connection);
  if (ended) return connection;
  release(nullptr);
  return ended.error();
}

void RecordReader::release(Owned connection) {
  {
    const std::lock_guard lock(mutex_);
    if (connection && !stay_ && !end_snapshot(*connection)) connection.reset();
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
  SIGILLO_TRY(auto begin, db.prepare("BEGIN"));
  SIGILLO_TRY(auto end, db.prepare("COMMIT"));
  SIGILLO_TRY(auto rows, RowQueries::prepare(db));
  SIGILLO_TRY(auto due, db.prepare("SELECT id, tbl, due FROM record INDEXED BY record_due "
                                   "WHERE queue=? AND queue<>0 AND due<=? AND (due, id, tbl)>(?,?,?) "
                                   "ORDER BY due, id, tbl LIMIT ?"));
  SIGILLO_TRY(auto members, db.prepare("SELECT id, tbl, due FROM record INDEXED BY record_due "
                                       "WHERE queue=? AND queue<>0 AND due BETWEEN ? AND ? "
                                       "ORDER BY due, id, tbl"));
  SIGILLO_TRY(auto scan,
              db.prepare("SELECT id, tbl FROM record WHERE place>coalesce((SELECT place FROM record "
                         "WHERE place BETWEEN ?1 AND ?2 AND id=?3), ?2) ORDER BY place LIMIT ?4"));
  SIGILLO_TRY(auto ledger, db.prepare(kSelectLedger));
  auto connection = std::make_unique<Connection>(
      Connection{std::move(db), std::move(begin), std::move(end), std::move(rows), std::move(due),
                 std::move(members), std::move(scan), std::move(ledger), std::nullopt});
  return connection;
}

}  // namespace sigillo::sealed_store
