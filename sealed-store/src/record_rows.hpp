// How a record and a bucket are read from a connection: the same for readers and the writer.
// Thread rule: as Database.
#pragma once

#include "database.hpp"
#include "fresh_queues.hpp"
#include "fresh_rows.hpp"

namespace sigillo::sealed_store {

struct StoredRow {
  std::uint8_t queue = 0;
  std::int64_t due_ms = 0;
  base::Bytes sealed;
};

// Where a row stands, a number of its table: six bytes of its id, then the caller's table, then one of
// sixteen places for those that are alike in both. So a bucket is one range, a subject's records share a
// page, and the pages above the rows hold numbers and not rows: three levels for ten million where a table
// clustered by the id itself had seven, for SQLite keeps whole rows in those.
struct Places {
  std::int64_t first, last;
};
Places places_of(const RecordKey& key);
Places places_of_bucket(std::uint16_t id);

// Of a row whose first columns are id and tbl.
base::Result<RecordKey> key_of(Cursor& cursor);

class RowQueries {
 public:
  static base::Result<RowQueries> prepare(Database& db);
  base::Result<std::optional<StoredRow>> row(const RecordKey& key);
  // All rows of the bucket, by one range read; `verified` is set, for the caller compares the hash.
  base::Result<Bucket> bucket(std::uint16_t id, const Prf& prf);
  // Who of the bucket stands in a queue.
  base::Result<QueueSets> queued(std::uint16_t id, const Prf& prf);
  // For a row that is not there. Nobody chooses ids, which are HMACs or random: a seventeenth that is alike
  // is an error of the store's.
  base::Result<std::int64_t> free_place(const RecordKey& key);

 private:
  Statement row_;
  Statement bucket_;
  Statement queued_;
  Statement taken_;
};

}  // namespace sigillo::sealed_store
