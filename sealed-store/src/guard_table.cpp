#include "guard_table.hpp"

#include <algorithm>

namespace sigillo::sealed_store {
namespace {

constexpr std::size_t kEntryBytes = 29;  // subject(16) counter(1) failures(2) unowned(2) last_ms(8)

}  // namespace

GuardValue GuardTable::find(const GuardKey& key) const {
  const auto& entries = blocks_[block_of(key)].entries;
  const auto at = std::ranges::lower_bound(entries, key, {}, &Entry::key);
  return at != entries.end() && at->key == key ? at->value : GuardValue{};
}

void GuardTable::assign(const GuardKey& key, const GuardValue& value) {
  const auto block = block_of(key);
  auto& entries = blocks_[block].entries;
  const auto at = std::ranges::lower_bound(entries, key, {}, &Entry::key);
  const bool there = at != entries.end() && at->key == key;
  if (value.total() == 0) {
    if (!there) return;
    entries.erase(at);
    --size_;
  } else if (there) {
    at->value = value;
  } else {
    entries.insert(at, {key, value});
    ++size_;
  }
  dirty_.insert(block);
}

base::Bytes GuardTable::encode(std::uint16_t block) const {
  base::Bytes out;
  out.reserve(blocks_[block].entries.size() * kEntryBytes);
  for (const auto& [key, value] : blocks_[block].entries) {
    base::append(out, key.subject);
    out.push_back(key.counter);
    base::append_be(out, value.failures);
    base::append_be(out, value.unowned);
    base::append_be(out, value.last.ms);
  }
  return out;
}

bool GuardTable::load(std::uint16_t block, base::ByteView encoded) {
  if (encoded.size() % kEntryBytes != 0) return false;
  auto& entries = blocks_[block].entries;
  size_ -= entries.size();
  entries.clear();
  entries.reserve(encoded.size() / kEntryBytes);
  for (; !encoded.empty(); encoded = encoded.subspan(kEntryBytes)) {
    Entry entry;
    std::copy_n(encoded.begin(), entry.key.subject.size(), entry.key.subject.begin());
    entry.key.counter = encoded[16];
    entry.value.failures = base::read_be<std::uint16_t>(encoded.subspan(17));
    entry.value.unowned = base::read_be<std::uint16_t>(encoded.subspan(19));
    entry.value.last.ms = base::read_be<std::int64_t>(encoded.subspan(21));
    if (block_of(entry.key) != block) return false;
    if (!entries.empty() && !(entries.back().key < entry.key)) return false;
    entries.push_back(entry);
    ++size_;
  }
  return true;
}

void GuardTable::folded(std::uint16_t block, const Lanes& hash) {
  total_ -= blocks_[block].hash;
  total_ += hash;
  blocks_[block].hash = hash;
  dirty_.erase(block);
}

}  // namespace sigillo::sealed_store
