// How a record and a bucket are read from a connection: the same for readers and the writer.
// Thread rule: as Database.
#pragma once

#include "database.hpp"
#include "fresh_rows.hpp"

namespace sigillo::sealed_store {

struct StoredRow {
  std::uint8_t queue = 0;
  std::int64_t due_ms = 0;
  base::Bytes sealed;
};

class RowQueries {
 public:
  static base::Result<RowQueries> prepare(Database& db);
  base::Result<std::optional<StoredRow>> row(const RecordKey& key);
  // All rows of the bucket, by one range read; `verified` is set, for the caller compares the hash.
  base::Result<Bucket> bucket(std::uint16_t id, const Prf& prf);

 private:
  Statement row_;
  Statement bucket_;
};

}  // namespace sigillo::sealed_store
