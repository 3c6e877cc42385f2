// RecordReader: reads for any thread, on read-only connections of its own, each row checked for freshness
// before it is believed. A read that disagrees with memory may only have met a commit half-way: it is
// repeated with commits held back, and what disagrees then is stale. Thread rule: any thread.
#pragma once

#include <condition_variable>

#include "record_rows.hpp"
#include "state.hpp"

namespace sigillo::sealed_store {

class RecordReader {
 public:
  RecordReader(std::string path, base::Secret page_key, State& state)
      : path_(std::move(path)), page_key_(std::move(page_key)), state_(state) {}

  base::Result<std::optional<base::Bytes>> read(const RecordKey& key);
  base::Result<std::vector<DueRecord>> due(std::uint8_t queue, base::Instant now, std::size_t limit);
  base::Result<std::vector<DueRecord>> due_at(std::uint8_t queue, base::Instant due);
  base::Result<std::vector<RecordKey>> scan(const std::optional<RecordKey>& after, std::size_t limit);
  base::Result<std::vector<LedgerEntry>> ledger(std::uint64_t after, std::size_t limit);

 private:
  struct Connection {
    Database db;
    RowQueries rows;
    Statement due;
    Statement due_at;
    Statement scan;
    Statement ledger;
  };
  using Owned = std::unique_ptr<Connection>;
  // nothing: memory and disk disagree
  using Look = std::optional<std::optional<base::Bytes>>;

  base::Result<Owned> acquire();
  void release(Owned connection);  // null: it failed, and the next reader opens anew
  base::Result<Owned> connect();
  base::Result<Look> look(Connection& on, const RecordKey& key);
  static base::Result<std::vector<DueRecord>> collect(Cursor cursor);
  base::Result<bool> bucket_fresh(Connection& on, std::uint16_t id, bool again);

  const std::string path_;
  const base::Secret page_key_;
  State& state_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<Owned> idle_;
  std::size_t open_ = 0;
};

// Rows (entry, hash) of a ledger statement; checks shape and that seq has no gap after `after`.
base::Result<std::vector<LedgerEntry>> read_entries(Statement& ledger, std::uint64_t after,
                                                    std::size_t limit);
inline constexpr const char* kSelectLedger =
    "SELECT seq, entry, hash FROM ledger WHERE seq>? ORDER BY seq LIMIT ?";

}  // namespace sigillo::sealed_store
