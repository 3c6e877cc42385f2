// The tables and their versions. A migration is a script that is run once, in order, in one transaction with
// the number it leaves behind; a file of a later version is refused.
//   ledger      the append-only truth: encoded entry and its chain hash, by seq
//   record      sealed rows, clustered by id: a subject's records share a page, a bucket is one range
//   guard       the counters as last folded: 65,536 blocks by the subject's first two bytes
//   bucket      set hash of each record bucket as last folded
//   bucket_log  set hashes of the buckets that commits since have changed (appending costs no random page)
//   ledger_base where the ledger begins since it was pruned: one row, or none
//   meta        the schema's version, the last fold's seq (a hint), and what the probe writes
// Thread rule: as Database.
#pragma once

#include "database.hpp"

namespace sigillo::sealed_store {

base::Result<void> create_schema(Database& db);
base::Result<void> check_schema(Database& db);  // Errc::schema where the file is of a later version
base::Result<void> migrate(Database& db);       // after check_schema

enum class Meta : std::int64_t { version = 1, fold_seq = 2, probe = 3 };
base::Result<std::int64_t> read_meta(Database& db, Meta which);  // 0 where it was never written
base::Result<void> write_meta(Database& db, Meta which, std::int64_t value);
base::Result<LedgerBase> read_base(Database& db);  // also of a file that was not migrated yet

}  // namespace sigillo::sealed_store
