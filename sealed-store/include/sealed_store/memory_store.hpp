// MemoryStore: the Store port in memory, for tests; the contract suite proves it. Faults can be asked for:
// the next commits fail before they are durable, or after. Thread rule: as Store.
#pragma once

#include <map>
#include <mutex>

#include <sealed_store/store.hpp>

namespace sigillo::sealed_store {

class MemoryStore final : public Store {
 public:
  base::Result<std::optional<base::Bytes>> read(const RecordKey& key) override;
  GuardValue guard(const GuardKey& key) const override;
  std::size_t guards() const override;
  std::size_t stale() const override { return 0; }
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
  std::optional<base::Error> trouble() const override { return std::nullopt; }

  void fail_next(std::size_t commits, Errc with = Errc::unavailable);  // commits, charges and settles alike

 private:
  base::Result<Committed> apply(Changes changes);
  mutable std::mutex mutex_;
  std::map<RecordKey, Put> records_;
  std::map<GuardKey, GuardValue> guards_;
  std::vector<LedgerEntry> entries_;
  LedgerBase base_;
  std::size_t failures_ = 0;
  Errc failure_ = Errc::unavailable;
};

}  // namespace sigillo::sealed_store
