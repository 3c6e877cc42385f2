#include "opening.hpp"

#include <algorithm>

#include <sealed_store/ledger_entry.hpp>

#include "ledger_row.hpp"
#include "record_rows.hpp"
#include "schema.hpp"

namespace sigillo::sealed_store {
namespace {

constexpr std::size_t kHashBytes = 32;
constexpr std::size_t kLoggedBucketBytes = 2 + kHashBytes;
constexpr std::size_t kLoggedPartBytes = 4 + kHashBytes;

base::Result<base::Digest> digest(base::ByteView bytes) {
  base::Digest out;
  if (bytes.size() != out.size()) return base::Error(Errc::corrupt, "a stored hash has a wrong length");
  std::ranges::copy(bytes, out.begin());
  return out;
}

base::Result<std::uint16_t> block_id(std::int64_t id) {
  if (id < 0 || id > 0xffff) return base::Error(Errc::corrupt, "a block number is out of range");
  return static_cast<std::uint16_t>(id);
}

base::Result<std::optional<LedgerEntry>> entry_at(Database& db, std::uint64_t seq) {
  SIGILLO_TRY(auto query, db.prepare("SELECT entry, hash FROM ledger WHERE seq=?"));
  auto cursor = query(static_cast<std::int64_t>(seq));
  SIGILLO_TRY(const bool found, cursor.next());
  if (!found) return std::optional<LedgerEntry>{};
  SIGILLO_TRY(auto entry, unpack_row(seq, cursor.blob(0)));
  SIGILLO_TRY(entry.hash, digest(cursor.blob(1)));
  return std::optional(std::move(entry));
}

base::Result<void> load_guards(Database& db, State& state) {
  SIGILLO_TRY(auto query, db.prepare("SELECT block, entries FROM guard"));
  auto cursor = query();
  for (;;) {
    SIGILLO_TRY(const bool found, cursor.next());
    if (!found) return base::ok();
    SIGILLO_TRY(const auto block, block_id(cursor.integer(0)));
    const auto entries = cursor.blob(1);
    if (!state.guards.load(block, entries))
      return base::Error(Errc::corrupt, "a guard block has a wrong shape");
    state.guards.folded(block, state.prf.guard_block(block, entries));
  }
}

// The bucket hashes as last folded, and over them, in order, those that commits have logged since.
base::Result<void> load_buckets(Database& db, State& state) {
  SIGILLO_TRY(auto folded, db.prepare("SELECT id, hash FROM bucket"));
  auto cursor = folded();
  for (;;) {
    SIGILLO_TRY(const bool found, cursor.next());
    if (!found) break;
    SIGILLO_TRY(const auto id, block_id(cursor.integer(0)));
    SIGILLO_TRY(const auto hash, digest(cursor.blob(1)));
    state.rows.load(id, Lanes::from(hash));
  }
  SIGILLO_TRY(auto logged, db.prepare("SELECT hashes FROM bucket_log ORDER BY seq"));
  auto log = logged();
  for (;;) {
    SIGILLO_TRY(const bool found, log.next());
    if (!found) break;
    auto hashes = log.blob(0);
    if (hashes.size() % kLoggedBucketBytes != 0)
      return base::Error(Errc::corrupt, "a bucket log has a wrong shape");
    for (; !hashes.empty(); hashes = hashes.subspan(kLoggedBucketBytes)) {
      const auto id = base::read_be<std::uint16_t>(hashes);
      SIGILLO_TRY(const auto hash, digest(hashes.subspan(2, kHashBytes)));
      state.rows.load(id, Lanes::from(hash));
      state.rows.mark_dirty(id);
    }
  }
  Lanes total;
  for (std::uint32_t id = 0; id < FreshRows::kBuckets; ++id) {
    const auto bucket = static_cast<std::uint16_t>(id);
    total += state.prf.bucket(bucket, state.rows.at(bucket).hash);
  }
  state.rows.loaded(total);
  return base::ok();
}

// The same of the queues' parts. Nothing where the file is from before they were counted.
base::Result<void> load_queues(Database& db, State& state) {
  SIGILLO_TRY(state.queues_known, queues_counted(db));
  if (!state.queues_known) return base::ok();
  SIGILLO_TRY(auto folded, db.prepare("SELECT part, hash FROM queue_part"));
  auto cursor = folded();
  for (;;) {
    SIGILLO_TRY(const bool found, cursor.next());
    if (!found) break;
    SIGILLO_TRY(const auto hash, digest(cursor.blob(1)));
    state.queues.load(static_cast<FreshQueues::Part>(cursor.integer(0)), Lanes::from(hash));
  }
  SIGILLO_TRY(auto logged, db.prepare("SELECT queues FROM bucket_log ORDER BY seq"));
  auto log = logged();
  for (;;) {
    SIGILLO_TRY(const bool found, log.next());
    if (!found) break;
    auto hashes = log.blob(0);
    if (hashes.size() % kLoggedPartBytes != 0)
      return base::Error(Errc::corrupt, "a log of queues has a wrong shape");
    for (; !hashes.empty(); hashes = hashes.subspan(kLoggedPartBytes)) {
      SIGILLO_TRY(const auto hash, digest(hashes.subspan(4, kHashBytes)));
      state.queues.replace(base::read_be<std::uint32_t>(hashes), Lanes::from(hash));
    }
  }
  state.queues.loaded(state.prf);
  return base::ok();
}

// The pointer to the last fold is a hint: an older one only makes the replay longer, for the ledger is the
// truth; but the guard table must be the one that its fold has hashed.
base::Result<void> check_fold(Database& db, State& state) {
  SIGILLO_TRY(const auto fold_seq, read_meta(db, Meta::fold_seq));
  if (fold_seq == 0) {
    if (state.guards.total().zero()) return base::ok();
    return base::Error(Errc::stale, "a guard table that no fold accounts for");
  }
  SIGILLO_TRY(const auto fold, entry_at(db, static_cast<std::uint64_t>(fold_seq)));
  if (!fold || fold->event.kind != kEventStoreFold || !fold->guard_hash || fold->event.attempt < 1 ||
      fold->event.attempt > fold->seq) {
    return base::Error(Errc::corrupt, "the last fold is not in the ledger");
  }
  if (*fold->guard_hash != state.prf.guard_hash(state.guards.total())) {
    return base::Error(Errc::stale, "the guard table is not the one that was folded last");
  }
  state.replay_from = fold->event.attempt;
  return base::ok();
}

// Attack it stops: (1) copy the database, (2) guess until locked, (3) put the copy back. The copy's ledger
// does not reach the head that the witness keeps outside; and one that was continued differently has another
// hash there.
enum class Seen : std::uint8_t { recorded, whatever };
base::Result<void> replay(Database& db, Seen witness, const std::optional<Head>& recorded, State& state) {
  // Without a witness to ask (a snapshot of a file that a store has open) the chain is that from the last
  // fold on.
  const auto seen = witness == Seen::whatever ? state.replay_from - 1
                    : recorded                ? recorded->seq
                                              : std::uint64_t{0};
  // The chain is recomputed from the older of the two, so that it is one chain to the recorded head and
  // beyond.
  std::uint64_t seq = std::min(state.replay_from - 1, seen);
  base::Digest hash{};
  if (seq > 0) {
    SIGILLO_TRY(const auto start, entry_at(db, seq));
    if (!start) return base::Error(Errc::rolled_back, "the ledger ends before what was witnessed");
    hash = start->hash;
  }
  const auto matches = [&] { return seq != seen || !recorded || hash == recorded->hash; };
  bool same = matches();
  auto root = state.prf.root({});
  SIGILLO_TRY(auto query, db.prepare("SELECT seq, entry, hash FROM ledger WHERE seq>? ORDER BY seq"));
  auto cursor = query(static_cast<std::int64_t>(seq));
  for (;;) {
    SIGILLO_TRY(const bool found, cursor.next());
    if (!found) break;
    if (static_cast<std::uint64_t>(cursor.integer(0)) != ++seq)
      return base::Error(Errc::corrupt, "the ledger has a gap");
    SIGILLO_TRY(const auto entry, unpack_row(seq, cursor.blob(1)));
    SIGILLO_TRY(const auto stored, digest(cursor.blob(2)));
    hash = chain_hash(hash, entry);
    if (hash != stored) return base::Error(Errc::corrupt, "the ledger's chain does not hold");
    same = same && matches();
    if (seq >= state.replay_from && entry.event.guard) {
      state.guards.assign(entry.event.guard->first, entry.event.guard->second);
    }
    if (entry.root) root = *entry.root;
    state.head = {entry.node, seq, hash, std::max(state.head.time, entry.event.time)};
  }
  if (seq < seen || !same)
    return base::Error(Errc::rolled_back, "the ledger is behind or beside what was witnessed");
  if (witness == Seen::recorded && !recorded && seq > 0)
    return base::Error(Errc::rolled_back, "a ledger with entries that no witness knows");
  if (root == state.root(state.rows.total(), state.queues.total())) return base::ok();
  // No commit since the move from an earlier version: none vouches for the queues' parts either.
  state.queues = {};
  state.queues_known = false;
  if (root == state.prf.root(state.rows.total())) return base::ok();
  return base::Error(Errc::stale, "the records' hashes are not those of the last commit");
}

}  // namespace

base::Result<void> load_snapshot(Database& db, State& state) {
  SIGILLO_CHECK(check_schema(db));
  SIGILLO_TRY(state.base, read_base(db));
  SIGILLO_CHECK(load_guards(db, state));
  SIGILLO_CHECK(check_fold(db, state));
  SIGILLO_CHECK(load_buckets(db, state));
  SIGILLO_CHECK(load_queues(db, state));
  return replay(db, Seen::whatever, {}, state);
}

base::Result<void> count_queues(Database& db, State& state) {
  SIGILLO_TRY(auto transaction, Transaction::begin(db));
  SIGILLO_TRY(auto rows, RowQueries::prepare(db));
  QueueSets sets;
  for (std::uint32_t id = 0; id < FreshRows::kBuckets; ++id) {
    const auto bucket = static_cast<std::uint16_t>(id);
    SIGILLO_TRY(const auto loaded, rows.bucket(bucket, state.prf));
    if (loaded.hash != state.rows.at(bucket).hash)
      return base::Error(Errc::stale, "the records on disk are not those that were acknowledged");
    SIGILLO_TRY(const auto queued, rows.queued(bucket, state.prf));
    for (const auto& [part, set] : queued) sets[part] += set;
  }
  SIGILLO_CHECK(write_queues(db, sets));
  SIGILLO_CHECK(transaction.commit());
  for (const auto& [part, set] : sets) state.queues.load(part, set);
  state.queues.loaded(state.prf);
  state.queues_known = true;
  return base::ok();
}

base::Result<void> write_queues(Database& db, const QueueSets& sets) {
  SIGILLO_CHECK(db.run("DELETE FROM queue_part"));
  SIGILLO_TRY(auto put, db.prepare("INSERT INTO queue_part VALUES(?,?)"));
  for (const auto& [part, set] : sets) {
    if (!set.zero()) SIGILLO_CHECK(put.run(std::int64_t{part}, set.bytes()));
  }
  return write_meta(db, Meta::queues_counted, 1);
}

base::Result<void> load_state(Database& db, const std::optional<Head>& recorded, State& state) {
  SIGILLO_CHECK(check_schema(db));
  SIGILLO_CHECK(db.run("BEGIN"));  // one snapshot for all of it
  const auto load = [&]() -> base::Result<void> {
    SIGILLO_TRY(state.base, read_base(db));
    SIGILLO_CHECK(load_guards(db, state));
    SIGILLO_CHECK(check_fold(db, state));
    SIGILLO_CHECK(load_buckets(db, state));
    SIGILLO_CHECK(load_queues(db, state));
    return replay(db, Seen::recorded, recorded, state);
  };
  auto loaded = load();
  (void)db.run("ROLLBACK");
  return loaded;
}

}  // namespace sigillo::sealed_store
