// The tables and their versions. A migration is a script that is run once, in order, in one transaction with
// the number it leaves behind; a file of a later version is refused.
//
//   - ledger: the append-only truth, encoded entry and its chain hash, by seq
//   - record: sealed rows by place (record_rows.hpp); a subject's records share a page, a bucket is one range
//   - record_due: the index of queues, which fresh_queues.hpp vouches for
//   - guard: the counters as last folded, 65,536 blocks by the subject's first two bytes
//   - bucket, queue_part: set hashes of each bucket of records and each part of a queue, as last folded
//   - bucket_log: those that commits since have changed, by seq (appending costs no random page)
//   - ledger_base: where the ledger begins since it was pruned, one row or none
//   - meta: the schema's version, the last fold's seq (a hint), what the probe writes, whether queues are
//   counted
//
// Thread rule: as Database.
#pragma once

#include "database.hpp"

namespace sigillo::sealed_store {

base::Result<void> create_schema(Database& db);
base::Result<void> check_schema(Database& db);          // Errc::schema where the file is of a later version
base::Result<void> check_schema_is_ours(Database& db);  // nor of an earlier one: where nothing may be changed
base::Result<void> migrate(Database& db);               // after check_schema

enum class Meta : std::int64_t { version = 1, fold_seq = 2, probe = 3, queues_counted = 4 };
base::Result<std::int64_t> read_meta(Database& db, Meta which);  // 0 where it was never written
base::Result<void> write_meta(Database& db, Meta which, std::int64_t value);
base::Result<bool> queues_counted(Database& db);   // false where the file is from before they were
base::Result<LedgerBase> read_base(Database& db);  // also of a file that was not migrated yet

}  // namespace sigillo::sealed_store
