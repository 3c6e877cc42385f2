#include <sealed_store/sqlcipher_store.hpp>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <thread>

#include <base/log.hpp>
#include <base/thread_name.hpp>

#include "ahead_check.hpp"
#include "commit_queue.hpp"
#include "counting.hpp"
#include "file_checks.hpp"
#include "journal.hpp"
#include "opening.hpp"
#include "record_reader.hpp"
#include "schema.hpp"
#include "witness_thread.hpp"

namespace sigillo::sealed_store {
namespace {

class Engine final : public Store {
 public:
  Engine(const StoreOptions& options, StoreKeys keys, std::unique_ptr<State> state, HeadWitness& witness)
      : mode_(options.mode),
        queue_(options.mode),
        state_(std::move(state)),
        journal_(options, keys.page_key.clone(), *state_),
        reader_(options, std::move(keys.page_key), *state_),
        witness_(witness, options, *state_, state_->head, [this](bool busy) { queue_.witness(busy); }),
        writer_([this] { run(); }) {
    if (options.look_through) ahead_.emplace(reader_, *state_, *options.look_through);
  }
  ~Engine() override;

  base::Result<std::optional<base::Bytes>> read(const RecordKey& key) override;
  GuardValue guard(const GuardKey& key) const override;
  std::size_t guards() const override;
  std::size_t stale() const override;
  std::vector<std::pair<GuardKey, GuardValue>> guards_of(std::uint16_t block) const override;
  base::Result<std::vector<DueRecord>> due(std::uint8_t queue, base::Instant now, std::size_t limit,
                                           const std::optional<DueRecord>& after) override;
  base::Result<std::vector<DueRecord>> members(std::uint8_t queue) override;
  base::Result<std::vector<DueRecord>> due_at(std::uint8_t queue, base::Instant due) override;
  base::Result<std::vector<RecordKey>> scan(const std::optional<RecordKey>& after,
                                            std::size_t limit) override;
  base::Task<base::Result<ChargedAttempt>> charge(Charge charge) override;
  base::Task<base::Result<Committed>> settle(ChargedAttempt attempt, Changes changes) override;
  void refund(ChargedAttempt attempt, Event event) override;
  base::Task<base::Result<Committed>> commit(Changes changes) override;
  base::Result<std::vector<LedgerEntry>> ledger(std::uint64_t after, std::size_t limit) override;
  base::Task<base::Result<Committed>> prune(LedgerBase base, Event event) override;
  LedgerBase ledger_base() const override;
  Head head() const override;
  std::optional<base::Error> trouble() const override;

 private:
  base::Task<base::Result<Committed>> submit(Operation operation);
  void resubmit();
  base::Result<void> refused() const;

  void run();
  std::optional<base::Error> disk_trouble() const;
  bool pruning() const;
  void write(std::vector<Operation> batch);
  void complete(Operation operation);
  void set_trouble(const base::Result<void>& outcome);

  const WitnessMode mode_;
  CommitQueue queue_;
  const std::unique_ptr<State> state_;
  Journal journal_;
  RecordReader reader_;
  WitnessThread witness_;

  mutable std::mutex mutex_;
  std::optional<base::Error> trouble_;
  std::thread writer_;
  std::optional<AheadCheck> ahead_;
};

Engine::~Engine() {
  ahead_.reset();
  queue_.close();
  writer_.join();
  witness_.stop();  // may refund what it could not record
  if (queue_.owes() && !witness_.fenced()) write({});
}

base::Result<void> Engine::refused() const {
  if (witness_.fenced()) return base::Error(Errc::fenced, "another running copy has taken over");
  return base::ok();
}

base::Result<std::optional<base::Bytes>> Engine::read(const RecordKey& key) {
  SIGILLO_CHECK(refused());
  return reader_.read(key);
}

GuardValue Engine::guard(const GuardKey& key) const {
  const std::lock_guard lock(state_->mutex);
  return state_->guards.find(key);
}

std::size_t Engine::stale() const {
  const std::lock_guard lock(state_->mutex);
  return state_->rows.alarms() + state_->queues.alarms();
}

std::size_t Engine::guards() const {
  const std::lock_guard lock(state_->mutex);
  return state_->guards.size();
}

base::Result<std::vector<DueRecord>> Engine::due(std::uint8_t queue, base::Instant now, std::size_t limit,
                                                 const std::optional<DueRecord>& after) {
  SIGILLO_CHECK(refused());
  return reader_.due(queue, now, limit, after);
}

base::Result<std::vector<DueRecord>> Engine::members(std::uint8_t queue) {
  SIGILLO_CHECK(refused());
  return reader_.members(queue);
}

base::Result<std::vector<DueRecord>> Engine::due_at(std::uint8_t queue, base::Instant due) {
  SIGILLO_CHECK(refused());
  return reader_.due_at(queue, due);
}

std::vector<std::pair<GuardKey, GuardValue>> Engine::guards_of(std::uint16_t block) const {
  const std::lock_guard lock(state_->mutex);
  return state_->guards.list(block);
}

LedgerBase Engine::ledger_base() const {
  const std::lock_guard lock(state_->mutex);
  return state_->base;
}

base::Task<base::Result<Committed>> Engine::prune(LedgerBase base, Event event) {
  Operation operation;
  operation.changes.events.push_back(std::move(event));
  operation.base = std::move(base);
  return submit(std::move(operation));
}

base::Result<std::vector<RecordKey>> Engine::scan(const std::optional<RecordKey>& after, std::size_t limit) {
  SIGILLO_CHECK(refused());
  return reader_.scan(after, limit);
}

base::Result<std::vector<LedgerEntry>> Engine::ledger(std::uint64_t after, std::size_t limit) {
  SIGILLO_CHECK(refused());
  return reader_.ledger(after, limit);
}

Head Engine::head() const {
  const std::lock_guard lock(state_->mutex);
  return state_->head;
}

std::optional<base::Error> Engine::trouble() const {
  if (const auto served = refused(); !served) return served.error();
  const auto disk = disk_trouble();
  return disk ? disk : witness_.trouble();
}

std::optional<base::Error> Engine::disk_trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

base::Task<base::Result<ChargedAttempt>> Engine::charge(Charge charge) {
  const auto after = after_charge(charge);
  charge.event.guard.emplace(charge.key, after);
  Operation operation;
  operation.changes.events.push_back(std::move(charge.event));
  operation.expects.emplace(charge.key, charge.expected);
  operation.undo = Refund{charge.key, charge.expected, after, std::move(charge.refund)};
  SIGILLO_CO_TRY(const auto committed, co_await submit(std::move(operation)));
  co_return charged(committed.first_seq, charge.key, charge.expected, after);
}

base::Task<base::Result<Committed>> Engine::settle(ChargedAttempt attempt, Changes changes) {
  queue_.came_back();
  if (!changes.events.empty() && changes.events.front().attempt == 0)
    changes.events.front().attempt = attempt.seq();
  return commit(std::move(changes));
}

base::Task<base::Result<Committed>> Engine::commit(Changes changes) {
  Operation operation;
  operation.changes = std::move(changes);
  return submit(std::move(operation));
}

void Engine::refund(ChargedAttempt attempt, Event event) {
  queue_.came_back();
  event.attempt = attempt.seq();
  queue_.push({attempt.key(), attempt.before(), attempt.after(), std::move(event)});
}

void Engine::resubmit() {
  for (auto& refund : journal_.take_recovered()) queue_.push(std::move(refund));
}

base::Task<base::Result<Committed>> Engine::submit(Operation operation) {
  SIGILLO_CO_CHECK(refused());
  if (!operation.changes.sealed())
    co_return base::Error(Errc::unsealed, "the record key is used up: sigillo keys rotate record");
  const auto enqueue = [&](base::Resume<base::Result<Committed>> resume) {
    operation.done = resume;
    // Once it is pushed the coroutine may go on and end on another thread: its frame, `operation` included,
    // is gone.
    if (const auto pushed = queue_.push(std::move(operation)); !pushed) resume(pushed.error());
  };
  co_return co_await base::suspend<base::Result<Committed>>(enqueue);
}

void Engine::run() {
  base::name_thread("store-writer");
  for (;;) {
    // Rows that a prune let go are taken away while nobody waits, and between the commits of those who do.
    const bool away = disk_trouble().has_value();
    using enum CommitQueue::Wait;
    auto taken = queue_.take(away ? a_while : pruning() ? no : for_work);
    if (!taken) return;
    const bool writes = away || taken->work;
    if (writes) write(std::move(taken->operations));
    if (witness_.fenced() || trouble()) continue;
    if (journal_.fold_due() && (!writes || journal_.slice_due())) {
      set_trouble(journal_.fold_slice());
      resubmit();
    } else if (journal_.prune_due(witness_.recorded())) {
      set_trouble(journal_.prune_slice());
      resubmit();
    }
    if (writes) reader_.stay_in_snapshots(true);
    // After the answers have left.
    if (journal_.checkpoint_due()) {
      reader_.stay_in_snapshots(false);
      journal_.checkpoint();
    }
  }
}

bool Engine::pruning() const {
  return !witness_.fenced() && !witness_.trouble() &&
         (journal_.prune_due(witness_.recorded()) || journal_.prune_needs_fold());
}

void Engine::write(std::vector<Operation> batch) {
  if (const auto served = refused(); !served) {
    for (auto& operation : batch) operation.done(served.error());
    // What was charged stays so, as after a kill: another copy's ledger goes on. Left in the queue they would
    // be work that is never done.
    static_cast<void>(queue_.take_refunds());
    return;
  }
  // Refunds first: a charge in the same commit then meets the count that was put back.
  auto refunds = queue_.take_refunds();
  std::vector<Operation> first(refunds.size());
  for (std::size_t i = 0; i < first.size(); ++i) first[i].refund = std::move(refunds[i]);
  batch.insert(batch.begin(), std::make_move_iterator(first.begin()), std::make_move_iterator(first.end()));
  const auto waits = [this](const Operation& one) { return one.waits_for_witness(mode_); };
  witness_.coming(std::ranges::any_of(batch, waits));
  set_trouble(batch.empty() ? journal_.probe() : journal_.append(batch));
  resubmit();
  for (auto& operation : batch) complete(std::move(operation));
  witness_.coming(false);
}

// Refunds that failed wait again; the others are told, on this thread or, where it is needed, once witnessed.
void Engine::complete(Operation operation) {
  const auto result = std::move(*operation.result);
  if (operation.refund) {
    if (!result) queue_.push(std::move(*operation.refund));
    return;
  }
  const bool waits = operation.waits_for_witness(mode_);
  const bool charge = operation.expects.has_value();
  if (result && !waits && charge) queue_.charged();
  if (!result || !waits) return operation.done(result);
  const auto committed = *result;
  witness_.await([this, committed, charge, undo = std::move(operation.undo),
                  done = std::move(operation.done)](base::Result<void> witnessed) {
    if (witnessed && charge) queue_.charged();
    if (witnessed) return done(committed);
    if (undo && !witnessed.error().is(Errc::fenced)) queue_.push(*undo);
    done(witnessed.error());
  });
}

void Engine::set_trouble(const base::Result<void>& outcome) {
  const std::lock_guard lock(mutex_);
  if (!outcome && !trouble_) base::log::error("store.unavailable", outcome.error());
  if (outcome && trouble_) base::log::info("store.available");
  trouble_ = outcome ? std::optional<base::Error>{} : outcome.error();
}

}  // namespace

base::Result<void> SqlCipherStore::create(const StoreOptions& options, const StoreKeys& keys) {
  std::error_code failed;
  if (std::filesystem::exists(options.path, failed) || failed) {
    return base::Error(Errc::unavailable, "the database exists already");
  }
  // Made beside and renamed: a crash in the middle leaves no half-made store under the name.
  const std::string making = options.path + ".new";
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(making + suffix, failed);
  {
    SIGILLO_TRY(auto db, Database::open(making, keys.page_key, Database::Access::create));
    // Whatever the umask of who makes it; SQLite gives the WAL the same.
    using enum std::filesystem::perms;
    std::filesystem::permissions(making, owner_read | owner_write, failed);
    SIGILLO_CHECK(create_schema(db));
    SIGILLO_CHECK(db.run("PRAGMA wal_checkpoint(TRUNCATE)"));
  }
  if (std::rename(making.c_str(), options.path.c_str()) != 0) {
    return base::Error(Errc::unavailable, "the new database could not be renamed",
                       static_cast<unsigned long>(errno));
  }
  return sync_folder(std::filesystem::path(options.path).parent_path());
}

base::Result<std::unique_ptr<Store>> SqlCipherStore::open(const StoreOptions& options, StoreKeys keys,
                                                          HeadWitness& witness) {
  SIGILLO_TRY(const auto recorded, witness.recorded());
  auto state = std::make_unique<State>(keys.fresh_key.clone());
  state->head.node = options.node;
  {
    SIGILLO_TRY(auto db, Database::open(options.path, keys.page_key, Database::Access::write));
    db.checkpoint_on_close(false);  // a refused file is left as it was found
    SIGILLO_CHECK(load_state(db, recorded, *state));
    SIGILLO_CHECK(migrate(db));
    if (!state->queues_known) SIGILLO_CHECK(count_queues(db, *state));
    // Before it is anchored: what a kill left in the WAL unsynced, and this start has read all the same,
    // would be gone after a power cut, and the store be behind its anchor.
    SIGILLO_CHECK(write_meta(db, Meta::probe, static_cast<std::int64_t>(state->head.seq)));
  }
  SIGILLO_CHECK(witness.take_over(state->head));
  std::unique_ptr<Store> store =
      std::make_unique<Engine>(options, std::move(keys), std::move(state), witness);
  return store;
}

}  // namespace sigillo::sealed_store
