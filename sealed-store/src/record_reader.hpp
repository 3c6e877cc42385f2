// RecordReader: reads for any thread, on read-only connections of its own, each row checked for freshness
// before it is believed. A read that disagrees with memory may only have met a commit half-way: it is
// repeated with commits held back, and what disagrees then is stale. A connection stays in one snapshot for
// many reads: a new one would begin with an empty page cache after each commit, and the pages above a row's
// cost more than the row. An older snapshot is no danger, as a row that has changed since does not agree with
// memory. Thread rule: any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>

#include <sealed_store/sqlcipher_store.hpp>

#include "record_rows.hpp"
#include "state.hpp"

namespace sigillo::sealed_store {

class RecordReader {
 public:
  RecordReader(const StoreOptions& options, base::Secret page_key, State& state)
      : path_(options.path),
        snapshot_max_(options.snapshot.ms),
        page_key_(std::move(page_key)),
        state_(state) {}

  base::Result<std::optional<base::Bytes>> read(const RecordKey& key);
  // As the first read from it would, or from the disk again; Errc::stale.
  base::Result<void> check(std::uint16_t bucket, bool again);
  base::Result<std::vector<DueRecord>> due(std::uint8_t queue, base::Instant now, std::size_t limit,
                                           const std::optional<DueRecord>& after);
  base::Result<std::vector<DueRecord>> due_at(std::uint8_t queue, base::Instant due);
  base::Result<std::vector<DueRecord>> members(std::uint8_t queue);
  base::Result<void> check_part(FreshQueues::Part part);  // of a queue's list; Errc::stale
  base::Result<std::vector<RecordKey>> scan(const std::optional<RecordKey>& after, std::size_t limit);
  base::Result<std::vector<LedgerEntry>> ledger(std::uint64_t after, std::size_t limit);

  // Not to stay ends the open ones, and each later one with its read: a checkpoint gets past none that is
  // open, and the WAL begins anew only at a commit that finds none.
  void stay_in_snapshots(bool stay);

 private:
  struct Connection {
    Database db;
    Statement begin;
    Statement end;
    RowQueries rows;
    Statement due;
    Statement members;
    Statement scan;
    Statement ledger;
    std::optional<std::chrono::steady_clock::time_point> snapshot;  // since when
  };
  using Owned = std::unique_ptr<Connection>;
  // nothing: memory and disk disagree
  using Look = std::optional<std::optional<base::Bytes>>;

  base::Result<Owned> acquire();
  base::Result<Owned> acquire_current();
  void release(Owned connection);  // null: it failed, and the next reader opens anew
  base::Result<Owned> connect();
  static base::Result<void> renew(Connection& connection);  // the next read sees what is committed now
  static base::Result<void> end_snapshot(Connection& connection);
  // `look` gives nothing where memory and disk disagree.
  template <class T, class Attempt>
  base::Result<std::optional<T>> agreed(std::uint16_t bucket, Attempt look);
  base::Result<Look> look(Connection& on, const RecordKey& key);
  static base::Result<std::vector<DueRecord>> collect(Cursor cursor);
  base::Result<void> walk(const FreshQueues::Range& range,
                          const std::function<void(const DueRecord&)>& visit);
  base::Result<bool> walk_on(Connection& on, const FreshQueues::Range& range,
                             const std::function<void(const DueRecord&)>& visit);  // false: not as known
  base::Result<bool> bucket_fresh(Connection& on, std::uint16_t id, bool again);
  bool in_doubt() const;

  const std::string path_;
  const std::chrono::milliseconds snapshot_max_;
  const base::Secret page_key_;
  State& state_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<Owned> idle_;
  std::size_t open_ = 0;
  bool stay_ = true;
};

// Rows (entry, hash) of a ledger statement, from behind `after`; shapes are checked, and neither chain nor
// gaps.
base::Result<std::vector<LedgerEntry>> read_entries(Statement& ledger, std::uint64_t after,
                                                    std::size_t limit);
inline constexpr const char* kSelectLedger =
    "SELECT seq, entry, hash FROM ledger WHERE seq>? ORDER BY seq LIMIT ?";

}  // namespace sigillo::sealed_store
