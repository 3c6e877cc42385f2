// WatchedStore: a Store before the real one, that counts what passes and refuses the n-th write where a test
// asks. A refused write never reaches the store behind. Thread rule: as Store.
#pragma once

#include <atomic>
#include <optional>
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

  base::Result<std::optional<base::Bytes>> read(const sealed_store::RecordKey& key) override {
    ++reads_;
    note_thread();
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
    return behind_.due(queue, now, limit, after);
  }
  base::Result<std::vector<sealed_store::DueRecord>> members(std::uint8_t queue) override {
    return behind_.members(queue);
  }
  base::Result<std::vector<sealed_store::DueRecord>> due_at(std::uint8_t queue, base::Instant due) override {
    return behind_.due_at(queue, due);
  }
  std::vector<std::pair<sealed_store::GuardKey, sealed_store::GuardValue>> guards_of(
      std::uint16_t block) const override {
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
    if (refuses()) co_return refusal();
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
  std::size_t pretended_guards_ = 0;
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
