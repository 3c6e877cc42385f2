// Journal: the writing side of the file. Owns the write connection; appends batches, folds the guard table,
// and keeps memory equal to the disk: memory follows a COMMIT that succeeded, and after one of unknown
// outcome nothing more is written until the file was opened again and has said which of the two it holds.
// Thread rule: the writer thread (and the one that opens and closes the store, before and after it).
#pragma once

#include <array>

#include <sealed_store/sqlcipher_store.hpp>

#include "batch.hpp"
#include "file_checks.hpp"

namespace sigillo::sealed_store {

class Journal {
 public:
  Journal(const StoreOptions& options, base::Secret page_key, State& state)
      : options_(options), page_key_(std::move(page_key)), state_(state), pace_(pace(options)) {}

  // On return every operation has its result; those that neither failed alone nor are durable have the
  // batch's error.
  base::Result<void> append(std::vector<Operation>& operations);
  // A durable write of nothing: tells whether the disk serves again.
  base::Result<void> probe();

  // Folding goes through the dirty blocks and buckets in slices, each a short commit with a fold entry of its
  // own, and then takes away what the log of buckets holds from before, in slices too.
  bool fold_due() const;
  // And between commits: a slice is in the way of every answer, so they are spread over the entries of all
  // the time until the next fold. Where nobody waits, none is too soon.
  bool slice_due() const { return state_.head.seq >= sliced_at_ + pace_; }
  base::Result<void> fold_slice();

  // Rows that a prune let go, some at a time. Only what no start can need: `witnessed` is the head that is
  // recorded outside, and a start reads from it or from the last fold on, whichever is older.
  bool prune_due(std::uint64_t witnessed) const;
  bool prune_needs_fold() const;
  base::Result<void> prune_slice();

  // The WAL has grown so far that it should be folded into the file. Called with no snapshot open beside, so
  // that the WAL begins anew; an error is the next commit's to meet.
  bool checkpoint_due() const { return connection_ && connection_->db.wal_pages() >= checkpoint_at_; }
  void checkpoint();

  // What became known about a commit of unknown outcome: charges that were reported as failed and are
  // durable, refunds that are not. To be submitted.
  std::vector<Refund> take_recovered() { return std::exchange(recovered_, {}); }

 private:
  static std::uint64_t pace(const StoreOptions& options);
  // 4 MiB: one checkpoint serves many commits, and holds up those that wait for it for two or three
  // milliseconds, where a fold has written at random; twice as many pages hold them up for ten.
  static constexpr std::size_t kCheckpointPages = 1000;
  struct Connection {
    Database db;
    WriteQueries queries;
  };
  base::Result<void> append_once(std::span<Operation> operations);
  base::Result<void> ready();
  base::Result<Head> disk_head();
  base::Result<void> check_head();
  base::Result<void> check_place() const;
  base::Result<void> commit(Transaction transaction, Staged staged);
  void apply(Staged& staged);
  void recover(std::vector<Refund> more);
  void distrust() { connection_.reset(); }
  // The log of buckets reaches further back than a replay does.
  bool trim_due() const { return trimmed_ + 1 < state_.replay_from; }
  base::Result<void> trim_slice();
  base::Result<std::uint64_t> drop_oldest(Statement& first, Statement& trim, std::uint64_t last,
                                          std::uint64_t most);
  base::Result<void> stage_fold(Batch& batch);
  base::Result<bool> fold_block(Batch& batch, std::uint16_t id, Lanes& total);  // whether it was written
  base::Result<bool> fold_queues(Batch& batch, std::size_t most);

  const StoreOptions options_;
  const base::Secret page_key_;
  State& state_;
  const std::uint64_t pace_;  // entries of the ledger from one slice to the next
  std::unique_ptr<Connection> connection_;
  std::size_t checkpoint_at_ = kCheckpointPages;
  // Open as long as the store is, and never used: while it is there, a write connection that is given up
  // after an error is not the last one, so that the WAL's index stays, and frames of a commit that failed at
  // its sync are overwritten and not recovered as if they had been committed.
  std::optional<Database> keeper_;
  std::array<FileMark, 2> files_;  // the file and its WAL, as the keeper has them
  std::optional<Staged> unsure_;   // its COMMIT failed, and the file was not yet asked what it holds
  std::vector<Refund> recovered_;

  // The fold that is under way: everything below `fold_at_` is folded, what changed since `fold_from_` may
  // not be.
  std::optional<std::uint64_t> fold_from_;
  std::uint64_t sliced_at_ = 0;
  std::uint32_t fold_at_ = 0;  // blocks and buckets first, then the queues' parts
  FreshQueues::Part fold_part_ = 0;
  std::uint64_t pruned_ = 0;   // rows of the ledger up to here are known to be gone
  std::uint64_t trimmed_ = 0;  // and of the log of buckets
};

}  // namespace sigillo::sealed_store
