// Batch: one transaction in the making. Operations are added in order and see those before them; what memory
// must follow once COMMIT has succeeded is collected in Staged. An operation that can not be (conflict,
// stale) fails alone and leaves no trace; a failure of the disk fails the batch. Thread rule: the writer
// thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>

#include <sealed_store/sqlcipher_store.hpp>

#include "record_rows.hpp"
#include "state.hpp"

namespace sigillo::sealed_store {

struct Refund {
  GuardKey key;
  GuardValue before;
  GuardValue after;
  Event event;  // attempt is set; guard is set when it is appended
};

// What waits for the writer: a charge, a settle or commit, or a refund.
struct Operation {
  Changes changes;
  std::optional<std::pair<GuardKey, GuardValue>> expects;  // a charge's compare-and-set
  std::optional<Refund> undo;                              // of a charge, where it is not witnessed
  std::optional<Refund> refund;                            // then changes is empty
  std::optional<LedgerBase> base;                          // of a prune
  std::function<void(base::Result<Committed>)> done;       // not of a refund: nobody waits for it
  std::optional<base::Result<Committed>> result;
  std::chrono::steady_clock::time_point since;  // when it was asked for

  // In interval mode only what asks to be anchored does.
  bool waits_for_witness(WitnessMode mode) const {
    const bool strict = mode == WitnessMode::strict;
    return changes.anchored || (strict && (expects.has_value() || (changes.witnessed && !refund)));
  }
};

struct Staged {
  std::vector<LedgerEntry> entries;
  std::map<GuardKey, GuardValue> guards;
  std::map<std::uint16_t, Bucket> buckets;    // after-images
  Lanes rows_total;                           // where buckets is not empty
  std::map<FreshQueues::Part, Lanes> queues;  // after-images
  Lanes queues_total;                         // where queues is not empty
  std::vector<Refund> undos;                  // of the charges in it
  std::vector<Refund> refunds;                // that are in it
  // Of a fold: the blocks and buckets written, and where a replay begins after it.
  std::vector<std::pair<std::uint16_t, Lanes>> folded_blocks;
  std::vector<std::uint16_t> folded_buckets;
  std::vector<FreshQueues::Part> folded_queues;
  std::optional<std::uint64_t> replay_from;
  std::optional<LedgerBase> base;  // of a prune
};

struct WriteQueries {
  static base::Result<WriteQueries> prepare(Database& db);
  RowQueries rows;
  Statement head, append, insert, replace, erase, log_buckets;
  Statement put_guard, erase_guard, put_bucket, put_queue, erase_queue, first_logged, trim_buckets;
  Statement entry_hash, put_base, first_entry, trim_ledger;
};

class Batch {
 public:
  Batch(State& state, WriteQueries& queries, std::uint32_t node)
      : state_(state), queries_(queries), node_(node) {}

  // Sets op.result where the operation fails alone or is staged; an error fails the batch.
  base::Result<void> add(Operation& op);
  // Chains and writes the entries, the last with the new root. Nothing is to be committed where there are
  // none.
  base::Result<void> write();
  bool empty() const { return staged_.entries.empty(); }
  // For an entry of the store's own (a fold).
  LedgerEntry& append(Event event);
  Staged& staged() { return staged_; }
  base::Instant last_time() const;

 private:
  struct Write {
    const Put* put = nullptr;  // null: an erase
    std::optional<Lanes> old;
    std::uint8_t old_queue = 0;
    std::int64_t old_due_ms = 0;
  };
  using Writes = std::map<RecordKey, Write>;

  GuardValue guard(const GuardKey& key) const;
  base::Result<void> move_base(const LedgerBase& base);
  base::Result<Bucket*> touch(std::uint16_t id);
  base::Result<void> check(const RecordKey& key, Write& write);
  base::Result<void> execute(const Writes& writes);
  void requeue(const RecordKey& key, const Write& write);
  Lanes& queue_part(std::uint8_t queue, std::int64_t due_ms);
  base::Bytes log_of_queues();
  base::Error stale(std::uint16_t id);

  State& state_;
  WriteQueries& queries_;
  const std::uint32_t node_;
  Staged staged_;
  std::set<std::uint16_t> changed_;
};

}  // namespace sigillo::sealed_store
