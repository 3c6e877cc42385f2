// Opening: reads from the file what belongs in memory, and believes none of it: guard table against the last
// fold, buckets and queues against the last root, the chain from there to the head, the head against the
// witness. Writes nothing and never reads the records, nor the ledger before the last fold: a start takes the
// same time after ten years. (The first one of a file from before the queues were counted does both, once.)
// Thread rule: before the store's threads exist.
#pragma once

#include "database.hpp"
#include "state.hpp"

namespace sigillo::sealed_store {

// What a snapshot of the file says, against itself alone: no witness is asked. In a read transaction of the
// caller's, or of a file that nobody writes.
base::Result<void> load_snapshot(Database& db, State& state);

// Errc::stale, rolled_back, corrupt, schema refuse the file.
base::Result<void> load_state(Database& db, const std::optional<Head>& recorded, State& state);

// After load_state and migrate, where !queues_known: from all records, each bucket checked; in one
// transaction.
base::Result<void> count_queues(Database& db, State& state);
// Replaces what the file says of the queues' parts; in a transaction of the caller's.
base::Result<void> write_queues(Database& db, const QueueSets& sets);

}  // namespace sigillo::sealed_store
