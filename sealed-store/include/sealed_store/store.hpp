// Store: the port to durable state, and the truth about it: records (sealed by the caller, opaque here), the
// guard's counters, queues of records that fall due, and the append-only ledger with its hash chain. It
// decides nothing: it keeps the order charge -> durable -> witnessed, refuses what is not fresh, and loses
// nothing that it acknowledged. Implementations: SqlCipherStore (production), MemoryStore (tests); one
// contract suite runs on both. The shape fits a second engine with synchronous replication: every conditional
// is one compare-and-set, commits take batches. Thread rule: any thread. Reads block shortly on the calling
// thread; commits are awaited, and the coroutine goes on on the store's own writer or witness thread: hop()
// to a decider before doing work.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <base/bytes.hpp>
#include <base/clock.hpp>
#include <base/crypto.hpp>
#include <base/result.hpp>
#include <base/task.hpp>
#include <sealed_store/charge.hpp>
#include <sealed_store/head_witness.hpp>
#include <sealed_store/values.hpp>

namespace sigillo::sealed_store {

enum class Errc : std::uint16_t {
  unavailable = 301,  // I/O error, full or read-only disk: a 503; what turns out to be durable all the same
                      // stays, but for a charge, which is put back
  stale = 302,  // a row, page or table that is older than what was acknowledged: never believed, alarmed
  rolled_back = 303,  // at open: the ledger's head is behind or beside the witnessed one
  fenced = 304,       // another running copy has taken over; this one answers no more
  conflict = 305,     // the guard is not what the charge expected: read it again
  not_witnessed =
      306,        // durable, but the witness (HSM) did not take the head; the charge is refunded by the store
  corrupt = 307,  // chain, shape or page does not hold
  schema = 308,   // made by a newer version
  unsealed = 309,  // a record of nothing: the key that seals is used up (record_sealer.hpp)
};

// Kinds of the entries that the store makes itself; callers' catalogues begin at 100.
inline constexpr std::uint16_t kEventStoreChange = 1;  // records changed by a commit that has no event
inline constexpr std::uint16_t kEventStoreFold = 2;    // guard table folded; a replay begins at `attempt`

// One atomic commit. Events are appended in order; erases come before puts; all or nothing.
struct Changes {
  std::vector<Event> events;
  std::vector<Put> puts;
  std::vector<RecordKey> erases;
  std::vector<Replacement> replacements;  // after the puts; a key that these name is not for a replacement
  bool witnessed = true;                  // false only for a settle that changes nothing but counts
  bool anchored = false;  // not acknowledged before the witness has it, in interval mode either
  void add(Changes more);
  bool sealed() const;  // no put and no replacement is of nothing
};

struct Committed {
  std::uint64_t first_seq = 0;
  std::uint64_t last_seq = 0;
};

struct DueRecord {
  base::Instant due;
  RecordKey key;
  friend auto operator<=>(const DueRecord&, const DueRecord&) = default;
};

class Store {
 public:
  virtual ~Store() = default;

  // The record as last acknowledged, or nothing; Errc::stale where the disk says something older.
  virtual base::Result<std::optional<base::Bytes>> read(const RecordKey& key) = 0;
  // In memory, the authority. A subject without a count has the default value.
  virtual GuardValue guard(const GuardKey& key) const = 0;
  // How many counters are not zero: what memory grows with.
  virtual std::size_t guards() const = 0;
  // Buckets of records and parts of queues that were found older than what was acknowledged, since the start.
  virtual std::size_t stale() const = 0;
  // The counters of the subjects that begin with these two bytes: 65,536 calls see them all.
  virtual std::vector<std::pair<GuardKey, GuardValue>> guards_of(std::uint16_t block) const = 0;
  // Records of a queue that are due by `now`, oldest first, from behind `after`. A hint: read() is what is
  // believed, and who is not named may be due all the same.
  virtual base::Result<std::vector<DueRecord>> due(std::uint8_t queue, base::Instant now, std::size_t limit,
                                                   const std::optional<DueRecord>& after) = 0;
  base::Result<std::vector<DueRecord>> due(std::uint8_t queue, base::Instant now, std::size_t limit) {
    return due(queue, now, limit, std::nullopt);
  }
  // All records of a queue, oldest first, and no other; Errc::stale where the list on disk is not that.
  virtual base::Result<std::vector<DueRecord>> members(std::uint8_t queue) = 0;
  // The same of those that are due at exactly that moment: a queue nobody waits in is an index. It reads all
  // that a 256th of the numbers hold (fresh_queues.hpp), for such a part is what can be checked.
  virtual base::Result<std::vector<DueRecord>> due_at(std::uint8_t queue, base::Instant due) = 0;

  // Every record, in an order of the store's own that does not change; from behind `after`. A hint, as due().
  virtual base::Result<std::vector<RecordKey>> scan(const std::optional<RecordKey>& after,
                                                    std::size_t limit) = 0;

  virtual base::Task<base::Result<ChargedAttempt>> charge(Charge charge) = 0;
  // The outcome of an evaluated attempt, with all that it changes.
  virtual base::Task<base::Result<Committed>> settle(ChargedAttempt attempt, Changes changes) = 0;
  // An attempt that was never evaluated: its count is put back (guard = before) by `event`, as soon as the
  // disk takes it. Returns at once and is kept until it is durable; a crash before that leaves the charge, as
  // it must.
  virtual void refund(ChargedAttempt attempt, Event event) = 0;
  // A change that needs no charge.
  virtual base::Task<base::Result<Committed>> commit(Changes changes) = 0;

  // From the first entry that is still there; what was pruned is skipped.
  virtual base::Result<std::vector<LedgerEntry>> ledger(std::uint64_t after, std::size_t limit) = 0;
  // The ledger up to and with base.seq is let go: `event` says so in the same commit, and the rows follow a
  // few at a time, over restarts too, once no start can need them. Errc::conflict where base is not an entry
  // that is there and before the head.
  virtual base::Task<base::Result<Committed>> prune(LedgerBase base, Event event) = 0;
  virtual LedgerBase ledger_base() const = 0;
  virtual Head head() const = 0;  // of what is durable
  // Nothing while commits succeed; else why not (for readiness). Clears itself when the cause is gone.
  virtual std::optional<base::Error> trouble() const = 0;

 protected:
  static ChargedAttempt charged(std::uint64_t seq, GuardKey key, GuardValue before, GuardValue after) {
    return {seq, key, before, after};
  }
};

}  // namespace sigillo::sealed_store
