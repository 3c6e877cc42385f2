// WatchedStore: a Store before the real one, that counts what passes, and where a test asks refuses the n-th
// write, has records that are damaged, and lists of queues that are not those of today. A refused write never
// reaches the store behind. Thread rule: as Store.
#pragma once

#include <pthread.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include <sealed_store/store.hpp>

namespace sigillo::appliance::testing {

class WatchedStore final : public sealed_store::Store {
 public:
  explicit WatchedStore(sealed_store::Store& behind) : behind_(behind) {}

  // Charges, settles and commits begun since start.
  std::uint64_t writes() const { return writes_; }
  std::uint64_t charges() const { return charges_; }
  std::uint64_t reads() const { return reads_; }
  // Reads of the disk by the thread that made the store and starts every call of a test, as an I/O thread
  // does.
  std::uint64_t own_reads() const { return own_reads_; }
  // From the n-th look at the head on (1: the next) the ledger's last entry is of that moment. 0: it is not.
  void tick_at_head(std::uint64_t n, base::Instant to = {}) {
    ticks_to_ = to.ms;
    ticks_at_ = n == 0 ? 0 : heads_ + n;
  }
  // The n-th write from now on (1: the next) fails with the error; once. 0: none does.
  void fail_write(std::uint64_t n, sealed_store::Errc error = sealed_store::Errc::unavailable) {
    error_ = error;
    fails_at_ = n == 0 ? 0 : writes_ + n;
  }
  // Before the next commit passes, on its thread; once.
  void before_commit(std::function<void()> what) { before_commit_ = std::move(what); }

  // A record that is on the disk and not as it was acknowledged: nobody reads, changes or erases it.
  void damage(const sealed_store::RecordKey& key, sealed_store::Errc error = sealed_store::Errc::stale) {
    const std::lock_guard lock(mutex_);
    damaged_[key] = error;
  }
  void mend(const sealed_store::RecordKey& key) {
    const std::lock_guard lock(mutex_);
    damaged_.erase(key);
  }
  // The list of a queue says so, whatever is true.
  void pretend_due(std::uint8_t queue, const sealed_store::DueRecord& record) {
    const std::lock_guard lock(mutex_);
    pretended_due_[queue] = record;
  }

  // The names of the threads that have read records or counters since this was asked last.
  std::set<std::string> take_readers() {
    const std::lock_guard lock(mutex_);
    return std::exchange(readers_, {});
  }

  base::Result<std::optional<base::Bytes>> read(const sealed_store::RecordKey& key) override {
    ++reads_;
    note_reader();
    note_thread();
    if (const auto error = damaged(key)) return *error;
    return behind_.read(key);
  }
  sealed_store::GuardValue guard(const sealed_store::GuardKey& key) const override {
    return behind_.guard(key);
  }
  std::size_t stale() const override { return behind_.stale(); }
  std::size_t guards() const override {
    return pretended_guards_ != 0 ? pretended_guards_ : behind_.guards();
  }
  // As if so many subjects had failed lately.
  void pretend_guards(std::size_t count) { pretended_guards_ = count; }
  using Store::due;
  base::Result<std::vector<sealed_store::DueRecord>> due(
      std::uint8_t queue, base::Instant now, std::size_t limit,
      const std::optional<sealed_store::DueRecord>& after) override {
    note_thread();
    SIGILLO_TRY(auto found, behind_.due(queue, now, limit, after));
    const std::lock_guard lock(mutex_);
    const auto more = pretended_due_.find(queue);
    if (more != pretended_due_.end() && (!after || *after < more->second)) found.push_back(more->second);
    return found;
  }
  base::Result<std::vector<sealed_store::DueRecord>> members(std::uint8_t queue) override {
    return behind_.members(queue);
  }
  base::Result<std::vector<sealed_store::DueRecord>> due_at(std::uint8_t queue, base::Instant due) override {
    return behind_.due_at(queue, due);
  }
  std::vector<std::pair<sealed_store::GuardKey, sealed_store::GuardValue>> guards_of(
      std::uint16_t block) const override {
    note_reader();
    return behind_.guards_of(block);
  }
  base::Task<base::Result<sealed_store::Committed>> prune(sealed_store::LedgerBase base,
                                                          sealed_store::Event event) override {
    return behind_.prune(std::move(base), std::move(event));
  }
  sealed_store::LedgerBase ledger_base() const override { return behind_.ledger_base(); }
  base::Result<std::vector<sealed_store::RecordKey>> scan(const std::optional<sealed_store::RecordKey>& after,
                                                          std::size_t limit) override {
    return behind_.scan(after, limit);
  }
  base::Task<base::Result<sealed_store::ChargedAttempt>> charge(sealed_store::Charge charge) override {
    if (refuses()) co_return refusal();
    ++charges_;
    co_return co_await behind_.charge(std::move(charge));
  }
  base::Task<base::Result<sealed_store::Committed>> settle(sealed_store::ChargedAttempt attempt,
                                                           sealed_store::Changes changes) override {
    if (refuses()) co_return refusal();
    co_return co_await behind_.settle(std::move(attempt), std::move(changes));
  }
  void refund(sealed_store::ChargedAttempt attempt, sealed_store::Event event) override {
    behind_.refund(std::move(attempt), std::move(event));
  }
  base::Task<base::Result<sealed_store::Committed>> commit(sealed_store::Changes changes) override {
    if (const auto what = std::exchange(before_commit_, {})) what();
    if (refuses()) co_return refusal();
    for (const auto& key : changes.erases)
      if (const auto error = damaged(key)) co_return *error;
    for (const auto& put : changes.puts)
      if (const auto error = damaged(put.key)) co_return *error;
    co_return co_await behind_.commit(std::move(changes));
  }
  base::Result<std::vector<sealed_store::LedgerEntry>> ledger(std::uint64_t after,
                                                              std::size_t limit) override {
    note_thread();
    return behind_.ledger(after, limit);
  }
  sealed_store::Head head() const override {
    auto head = behind_.head();
    const auto at = ticks_at_.load();
    if (++heads_ >= at && at != 0) head.time = {ticks_to_};
    return head;
  }
  std::optional<base::Error> trouble() const override { return behind_.trouble(); }

 private:
  std::optional<base::Error> damaged(const sealed_store::RecordKey& key) {
    const std::lock_guard lock(mutex_);
    const auto found = damaged_.find(key);
    if (found == damaged_.end()) return std::nullopt;
    return base::Error(found->second, "as the test has asked");
  }

  void note_reader() const {
    char name[16] = {};
    ::pthread_getname_np(::pthread_self(), name, sizeof name);
    const std::lock_guard lock(mutex_);
    readers_.insert(name);
  }

  mutable std::mutex mutex_;
  mutable std::set<std::string> readers_;
  std::map<sealed_store::RecordKey, sealed_store::Errc> damaged_;
  std::map<std::uint8_t, sealed_store::DueRecord> pretended_due_;
  std::size_t pretended_guards_ = 0;
  std::function<void()> before_commit_;
  bool refuses() { return ++writes_ == fails_at_; }
  void note_thread() { own_reads_ += std::this_thread::get_id() == own_ ? 1 : 0; }
  base::Error refusal() const { return base::Error(error_.load(), "as the test has asked"); }

  sealed_store::Store& behind_;
  const std::thread::id own_ = std::this_thread::get_id();
  std::atomic<std::uint64_t> own_reads_ = 0, ticks_at_ = 0;
  mutable std::atomic<std::uint64_t> heads_ = 0;
  std::atomic<std::uint64_t> writes_ = 0, charges_ = 0, reads_ = 0, fails_at_ = 0;
  std::atomic<sealed_store::Errc> error_ = sealed_store::Errc::unavailable;
  std::atomic<std::int64_t> ticks_to_ = 0;
};

}  // namespace sigillo::appliance::testing
