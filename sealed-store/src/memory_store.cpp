#include <sealed_store/memory_store.hpp>

#include <algorithm>

#include <sealed_store/ledger_entry.hpp>

#include "counting.hpp"

namespace sigillo::sealed_store {

base::Result<std::optional<base::Bytes>> MemoryStore::read(const RecordKey& key) {
  const std::lock_guard lock(mutex_);
  const auto record = records_.find(key);
  if (record == records_.end()) return std::optional<base::Bytes>{};
  return std::optional(record->second.sealed);
}

std::size_t MemoryStore::guards() const {
  const std::lock_guard lock(mutex_);
  return guards_.size();
}

GuardValue MemoryStore::guard(const GuardKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto value = guards_.find(key);
  return value == guards_.end() ? GuardValue{} : value->second;
}

base::Result<std::vector<DueRecord>> MemoryStore::due(std::uint8_t queue, base::Instant now,
                                                      std::size_t limit,
                                                      const std::optional<DueRecord>& after) {
  const std::lock_guard lock(mutex_);
  std::vector<DueRecord> out;
  for (const auto& [key, put] : records_) {
    const DueRecord record{put.due, key};
    if (queue != 0 && put.queue == queue && put.due <= now && (!after || *after < record))
      out.push_back(record);
  }
  std::ranges::sort(out);
  if (out.size() > limit) out.resize(limit);
  return out;
}

base::Result<std::vector<DueRecord>> MemoryStore::members(std::uint8_t queue) {
  return due(queue, {INT64_MAX}, SIZE_MAX, std::nullopt);
}

base::Result<std::vector<DueRecord>> MemoryStore::due_at(std::uint8_t queue, base::Instant due) {
  const std::lock_guard lock(mutex_);
  std::vector<DueRecord> out;
  for (const auto& [key, put] : records_) {
    if (queue != 0 && put.queue == queue && put.due == due) out.push_back({put.due, key});
  }
  return out;
}

std::vector<std::pair<GuardKey, GuardValue>> MemoryStore::guards_of(std::uint16_t block) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<GuardKey, GuardValue>> out;
  for (const auto& [key, value] : guards_) {
    if (base::read_be<std::uint16_t>(key.subject) == block) out.emplace_back(key, value);
  }
  return out;
}

base::Task<base::Result<Committed>> MemoryStore::prune(LedgerBase base, Event event) {
  const std::lock_guard lock(mutex_);
  const bool there = base.seq > base_.seq && base.seq < entries_.size();
  if (!there || entries_[base.seq - 1].hash != base.hash)
    co_return base::Error(Errc::conflict, "the ledger can not begin after that entry");
  Changes changes;
  changes.events.push_back(std::move(event));
  const auto committed = apply(std::move(changes));
  if (committed) base_ = std::move(base);
  co_return committed;
}

LedgerBase MemoryStore::ledger_base() const {
  const std::lock_guard lock(mutex_);
  return base_;
}

base::Result<std::vector<RecordKey>> MemoryStore::scan(const std::optional<RecordKey>& after,
                                                       std::size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<RecordKey> out;
  for (auto at = after ? records_.upper_bound(*after) : records_.begin();
       at != records_.end() && out.size() < limit; ++at)
    out.push_back(at->first);
  return out;
}

base::Task<base::Result<ChargedAttempt>> MemoryStore::charge(Charge charge) {
  const auto after = after_charge(charge);
  const std::lock_guard lock(mutex_);
  const auto current = guards_.find(charge.key);
  if ((current == guards_.end() ? GuardValue{} : current->second) != charge.expected) {
    co_return base::Error(Errc::conflict, "the guard is not what the charge expected");
  }
  charge.event.guard.emplace(charge.key, after);
  Changes changes;
  changes.events.push_back(std::move(charge.event));
  const auto committed = apply(std::move(changes));
  if (committed) co_return charged(committed->first_seq, charge.key, charge.expected, after);
  if (committed.error().is(Errc::not_witnessed)) {
    Changes undo;
    undo.events.push_back(std::move(charge.refund));
    undo.events.back().attempt = entries_.back().seq;
    undo.events.back().guard.emplace(charge.key, charge.expected);
    (void)apply(std::move(undo));
  }
  co_return committed.error();
}

base::Task<base::Result<Committed>> MemoryStore::settle(ChargedAttempt attempt, Changes changes) {
  if (!changes.events.empty() && changes.events.front().attempt == 0)
    changes.events.front().attempt = attempt.seq();
  return commit(std::move(changes));
}

void MemoryStore::refund(ChargedAttempt attempt, Event event) {
  const std::lock_guard lock(mutex_);
  const auto current = guards_.find(attempt.key());
  const auto value = current == guards_.end() ? GuardValue{} : current->second;
  event.attempt = attempt.seq();
  event.guard.emplace(attempt.key(), after_refund(value, attempt.before(), attempt.after()));
  Changes changes;
  changes.events.push_back(std::move(event));
  // A failure that was asked for would only delay it, and here is nothing to wait for.
  const auto failures = std::exchange(failures_, 0);
  (void)apply(std::move(changes));
  failures_ = failures;
}

base::Task<base::Result<Committed>> MemoryStore::commit(Changes changes) {
  const std::lock_guard lock(mutex_);
  co_return apply(std::move(changes));
}

base::Result<std::vector<LedgerEntry>> MemoryStore::ledger(std::uint64_t after, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<LedgerEntry> out;
  for (std::size_t i = std::max(after, base_.seq); i < entries_.size() && out.size() < limit; ++i)
    out.push_back(entries_[i]);
  return out;
}

Head MemoryStore::head() const {
  const std::lock_guard lock(mutex_);
  if (entries_.empty()) return {};
  const auto& last = entries_.back();
  return {last.node, last.seq, last.hash, last.event.time};
}

void MemoryStore::fail_next(std::size_t commits, Errc with) {
  const std::lock_guard lock(mutex_);
  failures_ = commits;
  failure_ = with;
}

base::Result<Committed> MemoryStore::apply(Changes changes) {
  if (!changes.sealed())
    return base::Error(Errc::unsealed, "the record key is used up: sigillo keys rotate record");
  const bool fails = failures_ > 0;
  if (fails) --failures_;
  if (fails && failure_ != Errc::not_witnessed) return base::Error(failure_, "as the test has asked");
  for (auto& [key, expected, sealed] : changes.replacements) {
    const auto record = records_.find(key);
    if (record == records_.end() || record->second.sealed != expected) continue;
    changes.puts.push_back({key, std::move(sealed), record->second.queue, record->second.due});
  }
  if (changes.events.empty() && (!changes.puts.empty() || !changes.erases.empty())) {
    Event event;
    event.time = entries_.empty() ? base::Instant{} : entries_.back().event.time;
    event.kind = kEventStoreChange;
    event.channel = "appliance";
    changes.events.push_back(std::move(event));
  }
  const auto before = entries_.size();
  for (auto& event : changes.events) {
    if (!entries_.empty()) event.time = std::max(event.time, entries_.back().event.time);
    if (event.guard) {
      const auto& [key, value] = *event.guard;
      if (value.total() == 0) guards_.erase(key);
      if (value.total() != 0) guards_[key] = value;
    }
    LedgerEntry entry;
    entry.seq = entries_.size() + 1;
    entry.node = 1;
    entry.event = std::move(event);
    entry.hash = chain_hash(entries_.empty() ? base::Digest{} : entries_.back().hash, entry);
    entries_.push_back(std::move(entry));
  }
  for (const auto& key : changes.erases) records_.erase(key);
  for (auto& put : changes.puts) records_[put.key] = std::move(put);
  if (fails) return base::Error(failure_, "as the test has asked");
  const std::uint64_t last = entries_.size();
  return Committed{before == last ? last : before + 1, last};
}

}  // namespace sigillo::sealed_store
