// ReopenableStore: the Store port in front of another that can be closed and opened anew beneath those who
// use it: for the rotation of the store key, whose new file must not be open while it takes its place. While
// that lasts commits wait in a queue, without a thread, and reads wait on theirs. Thread rule: as Store; one
// reopen() at a time.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include <sealed_store/store.hpp>

namespace sigillo::sealed_store {

class ReopenableStore final : public Store {
 public:
  using Opened = base::Result<std::unique_ptr<Store>>;

  explicit ReopenableStore(std::unique_ptr<Store> first) : inner_(std::move(first)) {}
  ~ReopenableStore() override = default;

  // Waits until nothing is under way, closes the store, and takes what `open` gives. Where that fails there
  // is no store any more: everything is Errc::unavailable until the next reopen(). Not from a thread that a
  // commit's coroutine goes on on.
  base::Result<void> reopen(const std::function<Opened()>& open);
  bool lost() const;  // the last reopen() failed

  base::Result<std::optional<base::Bytes>> read(const RecordKey& key) override;
  GuardValue guard(const GuardKey& key) const override;
  std::size_t guards() const override;
  std::size_t stale() const override;
  std::vector<std::pair<GuardKey, GuardValue>> guards_of(std::uint16_t block) const override;
  using Store::due;
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
  class Entry;
  bool try_enter();
  base::Task<bool> enter();  // waits at the gate
  void leave();
  void close_gate();
  void open_gate();

  // Reads hold it shared; the exchange holds it alone. Never held across a co_await.
  mutable std::shared_mutex exchange_;
  std::unique_ptr<Store> inner_;

  // What is asked for on I/O threads: as it was before the exchange that goes on, for nothing changes in one.
  struct Before {
    Head head;
    LedgerBase base;
    std::size_t guards = 0, stale = 0;
  };
  Before before() const;

  mutable std::mutex gate_;
  Before before_;
  std::condition_variable quiet_;
  bool closed_ = false;
  std::size_t inside_ = 0;  // commits given to the inner store and not back yet
  std::vector<base::Resume<bool>> waiting_;
};

}  // namespace sigillo::sealed_store
