#include <sealed_store/sqlcipher_store.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <thread>

#include <base/log.hpp>

#include "counting.hpp"
#include "journal.hpp"
#include "opening.hpp"
#include "record_reader.hpp"
#include "schema.hpp"
#include "witness_thread.hpp"

namespace sigillo::sealed_store {
namespace {

// Operations of one commit: beyond this a commit's latency grows faster than what it saves.
constexpr std::size_t kGroupMax = 1024;
// While the disk is away: how soon it is asked again, so that readiness comes back without traffic.
constexpr std::chrono::milliseconds kRetry{250};

class Engine final : public Store {
 public:
  Engine(const StoreOptions& options, StoreKeys keys, std::unique_ptr<State> state, HeadWitness& witness)
      : mode_(options.mode),
        state_(std::move(state)),
        journal_(options, keys.page_key.clone(), *state_),
        reader_(options.path, std::move(keys.page_key), *state_),
        witness_(witness, options, *state_, state_->head),
        writer_([this] { run(); }) {}
  ~Engine() override;

  base::Result<std::optional<base::Bytes>> read(const RecordKey& key) override;
  GuardValue guard(const GuardKey& key) const override;
  std::size_t guards() const override;
  std::vector<std::pair<GuardKey, GuardValue>> guards_of(std::uint16_t block) const override;
  base::Result<std::vector<DueRecord>> due(std::uint8_t queue, base::Instant now, std::size_t limit) override;
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
  void submit_refund(Refund refund);
  void resubmit();
  base::Result<void> refused() const;

  void run();
  bool pruning() const;
  void write(std::vector<Operation> batch);
  void complete(Operation operation);
  void set_trouble(const base::Result<void>& outcome);

  const WitnessMode mode_;
  const std::unique_ptr<State> state_;
  Journal journal_;
  RecordReader reader_;
  WitnessThread witness_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Operation> queue_;
  std::deque<Refund> refunds_;  // each stays here, or in the writer's batch, until it is durable
  std::optional<base::Error> trouble_;
  bool stopping_ = false;
  std::thread writer_;
};

Engine::~Engine() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  writer_.join();
  witness_.stop();  // may refund what it could not record
  if (!refunds_.empty() && !witness_.fenced()) write({});
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

std::size_t Engine::guards() const {
  const std::lock_guard lock(state_->mutex);
  return state_->guards.size();
}

base::Result<std::vector<DueRecord>> Engine::due(std::uint8_t queue, base::Instant now, std::size_t limit) {
  SIGILLO_CHECK(refused());
  return reader_.due(queue, now, limit);
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
  {
    const std::lock_guard lock(mutex_);
    if (trouble_) return trouble_;
  }
  return witness_.trouble();
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
  event.attempt = attempt.seq();
  submit_refund({attempt.key(), attempt.before(), attempt.after(), std::move(event)});
}

void Engine::submit_refund(Refund refund) {
  {
    const std::lock_guard lock(mutex_);
    refunds_.push_back(std::move(refund));
  }
  wake_.notify_one();
}

void Engine::resubmit() {
  for (auto& refund : journal_.take_recovered()) submit_refund(std::move(refund));
}

base::Task<base::Result<Committed>> Engine::submit(Operation operation) {
  SIGILLO_CO_CHECK(refused());
  const auto enqueue = [&](base::Resume<base::Result<Committed>> resume) {
    operation.done = resume;
    std::unique_lock lock(mutex_);
    if (stopping_) {
      lock.unlock();
      resume(base::Error(Errc::unavailable, "the store is being closed"));
      return;
    }
    queue_.push_back(std::move(operation));
    // From here on the coroutine may go on and end on another thread: its frame, `operation` included, is
    // gone.
    wake_.notify_one();
  };
  co_return co_await base::suspend<base::Result<Committed>>(enqueue);
}

void Engine::run() {
  for (;;) {
    std::vector<Operation> batch;
    bool writes = false;
    {
      std::unique_lock lock(mutex_);
      const auto woken = [this] { return stopping_ || !queue_.empty() || (!trouble_ && !refunds_.empty()); };
      // Rows that a prune let go are taken away while nobody waits, and between the commits of those who do.
      if (trouble_) {
        wake_.wait_for(lock, kRetry, woken);
      } else if (!pruning()) {
        wake_.wait(lock, woken);
      }
      if (stopping_ && queue_.empty()) return;
      writes = trouble_ || !queue_.empty() || !refunds_.empty();
      const auto count = std::min(queue_.size(), kGroupMax);
      batch.reserve(count);
      for (std::size_t i = 0; i < count; ++i) {
        batch.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
    }
    if (writes) write(std::move(batch));
    if (witness_.fenced() || trouble()) continue;
    if (journal_.fold_due()) {
      set_trouble(journal_.fold_slice());
      resubmit();
    } else if (journal_.prune_due(witness_.recorded())) {
      set_trouble(journal_.prune_slice());
      resubmit();
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
    return;
  }
  {
    // Refunds first: a charge in the same commit then meets the count that was put back.
    const std::lock_guard lock(mutex_);
    std::vector<Operation> refunds(refunds_.size());
    for (auto& operation : refunds) {
      operation.refund = std::move(refunds_.front());
      refunds_.pop_front();
    }
    batch.insert(batch.begin(), std::make_move_iterator(refunds.begin()),
                 std::make_move_iterator(refunds.end()));
  }
  set_trouble(batch.empty() ? journal_.probe() : journal_.append(batch));
  resubmit();
  for (auto& operation : batch) complete(std::move(operation));
}

// Refunds that failed wait again; the others are told, on this thread or, where it is needed, once witnessed.
void Engine::complete(Operation operation) {
  const auto result = std::move(*operation.result);
  if (operation.refund) {
    if (!result) submit_refund(std::move(*operation.refund));
    return;
  }
  if (!result || mode_ == WitnessMode::interval || !operation.needs_witness()) return operation.done(result);
  const auto committed = *result;
  witness_.await([this, committed, undo = std::move(operation.undo),
                  done = std::move(operation.done)](base::Result<void> witnessed) {
    if (witnessed) return done(committed);
    if (undo && !witnessed.error().is(Errc::fenced)) submit_refund(*undo);
    done(witnessed.error());
  });
}

void Engine::set_trouble(const base::Result<void>& outcome) {
  const std::lock_guard lock(mutex_);
  if (!outcome && !trouble_) base::log::error("store.unavailable", outcome.error());
  if (outcome && trouble_) base::log::info("store.available");
  trouble_ = outcome ? std::optional<base::Error>{} : outcome.error();
}

base::Result<void> sync_folder(const std::filesystem::path& folder) {
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (!synced) return base::Error(Errc::unavailable, "the database's folder could not be synced");
  return base::ok();
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
  }
  SIGILLO_CHECK(witness.take_over(state->head));
  std::unique_ptr<Store> store =
      std::make_unique<Engine>(options, std::move(keys), std::move(state), witness);
  return store;
}

}  // namespace sigillo::sealed_store
