#include <sealed_store/reopenable_store.hpp>

namespace sigillo::sealed_store {
namespace {

base::Error away() {
  return {Errc::unavailable, "the store could not be opened again"};
}

}  // namespace

// One commit inside the inner store.
class ReopenableStore::Entry {
 public:
  explicit Entry(ReopenableStore& store) : store_(&store) {}
  ~Entry() { store_->leave(); }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

 private:
  ReopenableStore* store_;
};

bool ReopenableStore::try_enter() {
  const std::lock_guard lock(gate_);
  if (closed_) return false;
  ++inside_;
  return true;
}

base::Task<bool> ReopenableStore::enter() {
  const auto wait = [this](base::Resume<bool> resume) {
    {
      const std::lock_guard lock(gate_);
      if (closed_) return waiting_.push_back(resume);
      ++inside_;
    }
    resume(true);
  };
  co_return co_await base::suspend<bool>(wait);
}

void ReopenableStore::leave() {
  const std::lock_guard lock(gate_);
  if (--inside_ == 0) quiet_.notify_all();
}

void ReopenableStore::close_gate() {
  std::unique_lock lock(gate_);
  closed_ = true;
  quiet_.wait(lock, [this] { return inside_ == 0; });
}

void ReopenableStore::open_gate() {
  std::vector<base::Resume<bool>> waiting;
  {
    const std::lock_guard lock(gate_);
    closed_ = false;
    waiting.swap(waiting_);
    inside_ += waiting.size();
  }
  for (auto& resume : waiting) resume(true);
}

// The order that keeps it from waiting for itself: no commit comes in any more and all that were inside have
// left; then a commit of nothing has passed through the inner store's writer and witness, so that the
// coroutines that went on there are off those threads (what they ask for next waits at the gate, without
// one); only then are readers shut out and the store is closed, which joins those threads.
base::Result<void> ReopenableStore::reopen(const std::function<Opened()>& open) {
  close_gate();
  if (inner_) {
    const auto through = base::sync_wait(inner_->commit({}));
    if (!through) {  // it did not get there: somebody may still be on those threads
      open_gate();
      return through.error();
    }
    const std::lock_guard lock(gate_);
    before_ = {inner_->head(), inner_->ledger_base(), inner_->guards(), inner_->stale()};
  }
  base::Result<void> done = base::ok();
  {
    const std::unique_lock alone(exchange_);
    inner_.reset();
    auto opened = open();
    if (opened)
      inner_ = std::move(*opened);
    else
      done = opened.error();
  }
  open_gate();
  return done;
}

bool ReopenableStore::lost() const {
  const std::shared_lock lock(exchange_, std::try_to_lock);
  return lock && !inner_;
}

base::Result<std::optional<base::Bytes>> ReopenableStore::read(const RecordKey& key) {
  const std::shared_lock lock(exchange_);
  if (!inner_) return away();
  return inner_->read(key);
}

GuardValue ReopenableStore::guard(const GuardKey& key) const {
  const std::shared_lock lock(exchange_);
  return inner_ ? inner_->guard(key) : GuardValue{};
}

std::vector<std::pair<GuardKey, GuardValue>> ReopenableStore::guards_of(std::uint16_t block) const {
  const std::shared_lock lock(exchange_);
  return inner_ ? inner_->guards_of(block) : std::vector<std::pair<GuardKey, GuardValue>>();
}

base::Result<std::vector<DueRecord>> ReopenableStore::due(std::uint8_t queue, base::Instant now,
                                                          std::size_t limit,
                                                          const std::optional<DueRecord>& after) {
  const std::shared_lock lock(exchange_);
  if (!inner_) return away();
  return inner_->due(queue, now, limit, after);
}

base::Result<std::vector<DueRecord>> ReopenableStore::members(std::uint8_t queue) {
  const std::shared_lock lock(exchange_);
  if (!inner_) return away();
  return inner_->members(queue);
}

base::Result<std::vector<DueRecord>> ReopenableStore::due_at(std::uint8_t queue, base::Instant due) {
  const std::shared_lock lock(exchange_);
  if (!inner_) return away();
  return inner_->due_at(queue, due);
}

base::Result<std::vector<RecordKey>> ReopenableStore::scan(const std::optional<RecordKey>& after,
                                                           std::size_t limit) {
  const std::shared_lock lock(exchange_);
  if (!inner_) return away();
  return inner_->scan(after, limit);
}

base::Task<base::Result<ChargedAttempt>> ReopenableStore::charge(Charge charge) {
  if (!try_enter()) co_await enter();
  const Entry entry(*this);
  if (!inner_) co_return away();
  co_return co_await inner_->charge(std::move(charge));
}

base::Task<base::Result<Committed>> ReopenableStore::settle(ChargedAttempt attempt, Changes changes) {
  if (!try_enter()) co_await enter();
  const Entry entry(*this);
  if (!inner_) co_return away();
  co_return co_await inner_->settle(std::move(attempt), std::move(changes));
}

// The charge stays where there is no store to put it back in, as after a crash.
void ReopenableStore::refund(ChargedAttempt attempt, Event event) {
  const std::shared_lock lock(exchange_);
  if (inner_) inner_->refund(std::move(attempt), std::move(event));
}

base::Task<base::Result<Committed>> ReopenableStore::commit(Changes changes) {
  if (!try_enter()) co_await enter();
  const Entry entry(*this);
  if (!inner_) co_return away();
  co_return co_await inner_->commit(std::move(changes));
}

base::Result<std::vector<LedgerEntry>> ReopenableStore::ledger(std::uint64_t after, std::size_t limit) {
  const std::shared_lock lock(exchange_);
  if (!inner_) return away();
  return inner_->ledger(after, limit);
}

base::Task<base::Result<Committed>> ReopenableStore::prune(LedgerBase base, Event event) {
  if (!try_enter()) co_await enter();
  const Entry entry(*this);
  if (!inner_) co_return away();
  co_return co_await inner_->prune(std::move(base), std::move(event));
}

// What asks for the rest may be an I/O thread, with a request or a scrape: an exchange does not hold it up.
ReopenableStore::Before ReopenableStore::before() const {
  const std::lock_guard lock(gate_);
  return before_;
}

std::size_t ReopenableStore::stale() const {
  const std::shared_lock lock(exchange_, std::try_to_lock);
  return lock && inner_ ? inner_->stale() : before().stale;
}

std::size_t ReopenableStore::guards() const {
  const std::shared_lock lock(exchange_, std::try_to_lock);
  return lock && inner_ ? inner_->guards() : before().guards;
}

LedgerBase ReopenableStore::ledger_base() const {
  const std::shared_lock lock(exchange_, std::try_to_lock);
  return lock && inner_ ? inner_->ledger_base() : before().base;
}

Head ReopenableStore::head() const {
  const std::shared_lock lock(exchange_, std::try_to_lock);
  return lock && inner_ ? inner_->head() : before().head;
}

std::optional<base::Error> ReopenableStore::trouble() const {
  const std::shared_lock lock(exchange_, std::try_to_lock);
  if (!lock) return std::nullopt;
  if (!inner_) return away();
  return inner_->trouble();
}

}  // namespace sigillo::sealed_store
