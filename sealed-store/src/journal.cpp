#include "journal.hpp"

#include <algorithm>

#include <base/log.hpp>

#include "schema.hpp"

namespace sigillo::sealed_store {
namespace {

// Blocks and buckets that one fold slice looks at and writes: a fraction of a ms of the writer's time.
constexpr std::size_t kSeenMax = 256;
constexpr std::size_t kWrittenMax = 32;
constexpr std::uint64_t kSlicesMax = (GuardTable::kBlocks + FreshRows::kBuckets) / kWrittenMax;
constexpr std::uint64_t kPruneMax = 2048;  // rows of the ledger in one slice
constexpr std::uint64_t kTrimMax = 1024;   // the log of buckets, in entries of the ledger

}  // namespace

base::Result<void> Journal::append(std::vector<Operation>& operations) {
  auto appended = append_once(operations);
  // One damaged page must not fail those who only share a commit with it.
  if (!appended && appended.error().is(Errc::corrupt) && !unsure_ && operations.size() > 1) {
    for (auto& operation : operations) {
      operation.result.reset();
      auto alone = append_once({&operation, 1});
      if (!alone && !operation.result) operation.result = alone.error();
      if (alone) appended = base::ok();
    }
    return appended;
  }
  if (!appended) {
    for (auto& operation : operations) {
      if (!operation.result) operation.result = appended.error();
    }
  }
  return appended;
}

base::Result<void> Journal::append_once(std::span<Operation> operations) {
  SIGILLO_CHECK(ready());
  const auto append = [&]() -> base::Result<void> {
    SIGILLO_TRY(auto transaction, Transaction::begin(connection_->db));
    SIGILLO_CHECK(check_head());
    Batch batch(state_, connection_->queries, options_.node);
    for (auto& operation : operations) SIGILLO_CHECK(batch.add(operation));
    if (batch.empty()) return base::ok();
    SIGILLO_CHECK(batch.write());
    return commit(std::move(transaction), std::move(batch.staged()));
  };
  auto appended = append();
  if (connection_ && connection_->db.wal_pages() < kCheckpointPages) checkpoint_at_ = kCheckpointPages;
  if (!appended) {
    for (auto& operation : operations) {
      if (operation.result && *operation.result) operation.result.reset();
      // Were a refund of an unsure commit simply tried again, it would count twice if the commit is found: a
      // guess for nothing. It is kept with the commit, until that is known.
      if (unsure_ && operation.refund) operation.result = Committed{};
    }
    distrust();
  }
  return appended;
}

base::Result<void> Journal::probe() {
  SIGILLO_CHECK(ready());
  const auto write = [&]() -> base::Result<void> {
    SIGILLO_TRY(auto transaction, Transaction::begin(connection_->db));
    SIGILLO_CHECK(check_head());
    SIGILLO_CHECK(write_meta(connection_->db, Meta::probe, static_cast<std::int64_t>(state_.head.seq)));
    return transaction.commit();
  };
  auto written = write();
  if (!written) distrust();
  return written;
}

base::Result<void> Journal::ready() {
  if (connection_) return base::ok();
  if (keeper_) SIGILLO_CHECK(check_place());
  SIGILLO_TRY(auto db, Database::open(options_.path, page_key_, Database::Access::write));
  if (!keeper_) {
    SIGILLO_TRY(auto keeper, Database::open(options_.path, page_key_, Database::Access::read));
    files_ = {FileMark::of(options_.path), FileMark::of(options_.path + "-wal")};
    SIGILLO_CHECK(check_place());  // it went just now: there is no other mark to find it by when it is back
    keeper_ = std::move(keeper);
  }
  SIGILLO_TRY(auto queries, WriteQueries::prepare(db));
  connection_ = std::make_unique<Connection>(Connection{std::move(db), std::move(queries)});
  if (!unsure_) return base::ok();
  const auto head = disk_head();
  if (!head) {
    distrust();
    return head.error();
  }
  const auto& staged = unsure_->entries.back();
  if (head->seq == staged.seq && head->hash == staged.hash) {
    base::log::warn("store.commit_found", {{"seq", staged.seq}});
    apply(*unsure_);
    recover(std::move(unsure_->undos));
  } else if (head->seq != state_.head.seq || head->hash != state_.head.hash) {
    distrust();
    return base::Error(Errc::stale, "the ledger on disk is neither before nor after the last commit");
  }
  if (state_.head.hash != staged.hash) recover(std::move(unsure_->refunds));
  unsure_.reset();
  const std::lock_guard lock(state_.mutex);
  state_.in_doubt = false;
  return base::ok();
}

// Beside those of an earlier commit that nobody has asked for yet.
void Journal::recover(std::vector<Refund> more) {
  recovered_.insert(recovered_.end(), std::make_move_iterator(more.begin()),
                    std::make_move_iterator(more.end()));
}

base::Result<Head> Journal::disk_head() {
  auto cursor = connection_->queries.head();
  SIGILLO_TRY(const bool found, cursor.next());
  Head head;
  if (!found) return head;
  head.seq = static_cast<std::uint64_t>(cursor.integer(0));
  const auto hash = cursor.blob(1);
  if (hash.size() != head.hash.size()) return base::Error(Errc::corrupt, "a chain hash has a wrong length");
  std::ranges::copy(hash, head.hash.begin());
  return head;
}

// A file that was moved away or removed takes what is written to it along: (1) move it; (2) the appliance
// goes on in what it has open, answers, and anchors; (3) it stops, and nobody has what it answered.
base::Result<void> Journal::check_place() const {
  if (FileMark::of(options_.path) == files_[0] && FileMark::of(options_.path + "-wal") == files_[1])
    return base::ok();
  return base::Error(Errc::stale, "the store's file, or its WAL, is not where it was opened");
}

// Inside every transaction, before anything is written: (1) a second process, or (2) someone who puts old
// pages back under a running store, would otherwise have us append to a ledger that is not the one we
// acknowledged.
base::Result<void> Journal::check_head() {
  SIGILLO_CHECK(check_place());
  SIGILLO_TRY(const auto head, disk_head());
  if (head.seq == state_.head.seq && head.hash == state_.head.hash) return base::ok();
  return base::Error(Errc::stale, "the ledger on disk is not the one that was acknowledged");
}

base::Result<void> Journal::commit(Transaction transaction, Staged staged) {
  const std::lock_guard no_reads_in_doubt(state_.commit);
  if (auto committed = transaction.commit(); !committed) {
    // SQLite says that it did not; a WAL frame that was written and not synced may say otherwise at the next
    // open.
    unsure_ = std::move(staged);
    const std::lock_guard lock(state_.mutex);
    state_.in_doubt = true;
    return committed.error();
  }
  apply(staged);
  return base::ok();
}

void Journal::apply(Staged& staged) {
  const std::lock_guard lock(state_.mutex);
  const auto& last = staged.entries.back();
  state_.head = {last.node, last.seq, last.hash, std::max(state_.head.time, last.event.time)};
  if (staged.base) state_.base = *staged.base;
  for (const auto& [key, value] : staged.guards) state_.guards.assign(key, value);
  for (auto& [id, bucket] : staged.buckets) state_.rows.replace(id, std::move(bucket), staged.rows_total);
  for (const auto& [part, set] : staged.queues) state_.queues.replace(part, set);
  if (!staged.queues.empty()) state_.queues.set_total(staged.queues_total);
  for (const auto& [block, hash] : staged.folded_blocks) state_.guards.folded(block, hash);
  for (const auto id : staged.folded_buckets) state_.rows.folded(id);
  for (const auto part : staged.folded_queues) state_.queues.folded(part);
  if (staged.replay_from) state_.replay_from = *staged.replay_from;
}

void Journal::checkpoint() {
  const auto pages = connection_->db.wal_pages();
  if (const auto done = connection_->db.checkpoint(); !done)
    base::log::warn("store.checkpoint", {{"code", static_cast<std::int64_t>(done.error().raw())}});
  // Where somebody's long read keeps the WAL from beginning anew, it is not tried at each commit.
  checkpoint_at_ = pages + kCheckpointPages;
}

bool Journal::fold_due() const {
  return fold_from_ || trim_due() || prune_needs_fold() ||
         state_.head.seq >= state_.replay_from + std::max<std::uint32_t>(options_.fold_every, 1);
}

// A fold of the most slices is over as the next one falls due, so that a replay is no longer than two.
std::uint64_t Journal::pace(const StoreOptions& options) {
  return options.fold_every / kSlicesMax;
}

base::Result<void> Journal::fold_slice() {
  SIGILLO_CHECK(ready());
  sliced_at_ = state_.head.seq;
  if (!fold_from_ && trim_due()) return trim_slice();
  const auto fold = [&]() -> base::Result<void> {
    SIGILLO_TRY(auto transaction, Transaction::begin(connection_->db));
    SIGILLO_CHECK(check_head());
    Batch batch(state_, connection_->queries, options_.node);
    SIGILLO_CHECK(stage_fold(batch));
    return commit(std::move(transaction), std::move(batch.staged()));
  };
  auto folded = fold();
  if (!folded) {
    // Begin again: what the lost slice would have folded is still dirty.
    fold_from_.reset();
    distrust();
  }
  return folded;
}

// The oldest first: what is left of a bucket's log then ends with its newest state, which is the one that was
// folded, so that a start in between reads the same.
base::Result<void> Journal::trim_slice() {
  auto& queries = connection_->queries;
  SIGILLO_TRY(trimmed_,
              drop_oldest(queries.first_logged, queries.trim_buckets, state_.replay_from - 1, kTrimMax));
  return base::ok();
}

// Of a table by seq what stands at or before `last`, a slice of it: how far it is gone now.
base::Result<std::uint64_t> Journal::drop_oldest(Statement& first, Statement& trim, std::uint64_t last,
                                                 std::uint64_t most) {
  const auto drop = [&]() -> base::Result<std::uint64_t> {
    SIGILLO_TRY(auto transaction, Transaction::begin(connection_->db));
    SIGILLO_CHECK(check_head());
    std::uint64_t upto = last;
    {
      auto cursor = first();
      SIGILLO_TRY(const bool found, cursor.next());
      const auto oldest = found ? static_cast<std::uint64_t>(cursor.integer(0)) : last + 1;
      if (oldest > last) return last;
      upto = std::min(last, oldest + most - 1);
    }
    SIGILLO_CHECK(trim.run(static_cast<std::int64_t>(upto)));
    SIGILLO_CHECK(transaction.commit());
    return upto;
  };
  auto dropped = drop();
  if (!dropped) distrust();
  return dropped;
}

bool Journal::prune_needs_fold() const {
  return state_.base.seq > pruned_ && state_.base.seq + 1 >= state_.replay_from;
}

bool Journal::prune_due(std::uint64_t witnessed) const {
  return state_.base.seq > pruned_ && state_.base.seq + 1 < state_.replay_from && state_.base.seq < witnessed;
}

base::Result<void> Journal::prune_slice() {
  SIGILLO_CHECK(ready());
  auto& queries = connection_->queries;
  SIGILLO_TRY(pruned_, drop_oldest(queries.first_entry, queries.trim_ledger, state_.base.seq, kPruneMax));
  return base::ok();
}

// A block whose counters are what they were when it was last folded is on the disk as it should be: that of a
// subject whose PIN was right, above all.
base::Result<bool> Journal::fold_block(Batch& batch, std::uint16_t id, Lanes& total) {
  auto& queries = connection_->queries;
  const auto entries = state_.guards.encode(id);
  const auto hash = state_.prf.guard_block(id, entries);
  const auto& before = state_.guards.block_hash(id);
  batch.staged().folded_blocks.emplace_back(id, hash);
  if (hash == before) return false;
  total -= before;
  total += hash;
  SIGILLO_CHECK(entries.empty() ? queries.erase_guard.run(id) : queries.put_guard.run(id, entries));
  return true;
}

// False: there are more than that.
base::Result<bool> Journal::fold_queues(Batch& batch, std::size_t most) {
  auto& queries = connection_->queries;
  for (; most > 0; --most) {
    const auto next = state_.queues.dirty().lower_bound(fold_part_);
    if (next == state_.queues.dirty().end()) return true;
    const auto part = std::int64_t{*next};
    const auto set = state_.queues.at(*next);
    SIGILLO_CHECK(set.zero() ? queries.erase_queue.run(part) : queries.put_queue.run(part, set.bytes()));
    batch.staged().folded_queues.push_back(*next);
    fold_part_ = *next + 1;
  }
  return false;
}

// A replay assigns values in order, so that it may begin before what some blocks already hold: the table may
// be folded in slices, and only when the last dirty block of the beginning is in does the replay's beginning
// move up.
base::Result<void> Journal::stage_fold(Batch& batch) {
  auto& queries = connection_->queries;
  auto& staged = batch.staged();
  if (!fold_from_) {
    fold_from_ = state_.head.seq + 1;
    fold_at_ = 0;
    fold_part_ = 0;
  }
  const auto& blocks = state_.guards.dirty();
  const auto& buckets = state_.rows.dirty();
  Lanes total = state_.guards.total();
  std::size_t written = 0;
  bool last = false;
  for (std::size_t seen = 0; seen < kSeenMax && written < kWrittenMax; ++seen) {
    const auto next = std::min(blocks.next(fold_at_), buckets.next(fold_at_));
    last = next == BlockSet::kEnd;
    if (last) break;
    const auto id = static_cast<std::uint16_t>(next);
    if (blocks.next(next) == next) {
      SIGILLO_TRY(const bool wrote, fold_block(batch, id, total));
      written += wrote ? 1 : 0;
    }
    if (buckets.next(next) == next) {
      SIGILLO_CHECK(queries.put_bucket.run(id, state_.rows.at(id).hash.bytes()));
      staged.folded_buckets.push_back(id);
      ++written;
    }
    fold_at_ = next + 1;
  }
  if (last) {
    SIGILLO_TRY(last, fold_queues(batch, kWrittenMax - written));
  }
  if (last) {
    staged.replay_from = *fold_from_;
    fold_from_.reset();
  }
  Event event;
  event.time = batch.last_time();
  event.kind = kEventStoreFold;
  event.channel = "appliance";
  event.attempt = staged.replay_from.value_or(state_.replay_from);
  auto& entry = batch.append(std::move(event));
  entry.root = state_.root(state_.rows.total(), state_.queues.total());
  entry.guard_hash = state_.prf.guard_hash(total);
  const auto seq = static_cast<std::int64_t>(entry.seq);
  SIGILLO_CHECK(batch.write());
  return write_meta(connection_->db, Meta::fold_seq, seq);
}

}  // namespace sigillo::sealed_store
