#include "guard_table.hpp"

#include <algorithm>

namespace sigillo::sealed_store {
namespace {

constexpr std::size_t kEntryBytes = 29;  // subject(16) counter(1) failures(2) unowned(2) last_ms(8)
constexpr std::size_t kPackedKey = 15;
constexpr int kLastBytes = 6;  // milliseconds until the year 10889

template <std::size_t N>
base::ByteView key_bytes(const base::ByteArray<N>& packed) {
  return base::ByteView(packed).first(kPackedKey);
}
bool key_less(base::ByteView a, base::ByteView b) {
  return std::ranges::lexicographical_compare(a, b);
}

}  // namespace

GuardTable::Packed GuardTable::pack(const GuardKey& key, const GuardValue& value) {
  Packed out{};
  std::copy(key.subject.begin() + 2, key.subject.end(), out.begin());
  out[14] = key.counter;
  auto at = out.begin() + kPackedKey;
  const auto put = [&at](std::uint64_t number, int bytes) {
    while (bytes-- > 0) *at++ = static_cast<base::Byte>(number >> (8 * bytes));
  };
  put(value.failures, 2);
  put(value.unowned, 2);
  put(static_cast<std::uint64_t>(value.last.ms), kLastBytes);
  return out;
}

GuardKey GuardTable::key_of(std::uint16_t block, const Packed& packed) {
  GuardKey key;
  key.subject[0] = static_cast<base::Byte>(block >> 8);
  key.subject[1] = static_cast<base::Byte>(block);
  std::copy_n(packed.begin(), 14, key.subject.begin() + 2);
  key.counter = packed[14];
  return key;
}

GuardValue GuardTable::value_of(const Packed& packed) {
  const base::ByteView bytes(packed);
  const auto high = base::read_be<std::uint16_t>(bytes.subspan(19));
  const auto low = base::read_be<std::uint32_t>(bytes.subspan(21));
  return {base::read_be<std::uint16_t>(bytes.subspan(15)),
          base::read_be<std::uint16_t>(bytes.subspan(17)),
          {static_cast<std::int64_t>(high) << 32 | low}};
}

GuardValue GuardTable::find(const GuardKey& key) const {
  const auto& entries = blocks_[block_of(key)].entries;
  const auto wanted = pack(key, {});
  const auto at = std::ranges::lower_bound(entries, key_bytes(wanted), key_less, key_bytes<25>);
  const bool there = at != entries.end() && std::ranges::equal(key_bytes(*at), key_bytes(wanted));
  return there ? value_of(*at) : GuardValue{};
}

void GuardTable::assign(const GuardKey& key, const GuardValue& value) {
  const auto block = block_of(key);
  auto& entries = blocks_[block].entries;
  const auto packed = pack(key, value);
  auto at = std::ranges::lower_bound(entries, key_bytes(packed), key_less, key_bytes<25>);
  const bool there = at != entries.end() && std::ranges::equal(key_bytes(*at), key_bytes(packed));
  if (value.total() == 0) {
    if (!there) return;
    entries.erase(at);
    --size_;
  } else if (there) {
    *at = packed;
  } else {
    const auto place = at - entries.begin();
    // An eighth more, not twice as much: the counters are the store's second largest use of memory.
    if (entries.size() == entries.capacity()) entries.reserve(entries.size() + entries.size() / 8 + 2);
    entries.insert(entries.begin() + place, packed);
    ++size_;
  }
  dirty_.insert(block);
}

std::vector<std::pair<GuardKey, GuardValue>> GuardTable::list(std::uint16_t block) const {
  std::vector<std::pair<GuardKey, GuardValue>> out;
  for (const auto& packed : blocks_[block].entries) out.emplace_back(key_of(block, packed), value_of(packed));
  return out;
}

base::Bytes GuardTable::encode(std::uint16_t block) const {
  base::Bytes out;
  out.reserve(blocks_[block].entries.size() * kEntryBytes);
  for (const auto& packed : blocks_[block].entries) {
    const auto key = key_of(block, packed);
    const auto value = value_of(packed);
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
    GuardKey key;
    std::copy_n(encoded.begin(), key.subject.size(), key.subject.begin());
    key.counter = encoded[16];
    const GuardValue value{base::read_be<std::uint16_t>(encoded.subspan(17)),
                           base::read_be<std::uint16_t>(encoded.subspan(19)),
                           {base::read_be<std::int64_t>(encoded.subspan(21))}};
    if (block_of(key) != block) return false;
    const auto packed = pack(key, value);
    if (!entries.empty() && !key_less(key_bytes(entries.back()), key_bytes(packed))) return false;
    entries.push_back(packed);
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
