#include "set_hash.hpp"

#include <algorithm>

namespace sigillo::sealed_store {
namespace {

// One byte in front of each input, so that no two uses of the key ever share one.
enum class Use : base::Byte {
  row = 1,
  bucket = 2,
  guard_block = 3,
  root = 4,
  guard_hash = 5,
  queued = 6,
  queue_part = 7
};

base::ByteArray<3> prefix(Use use, std::uint16_t id) {
  return {static_cast<base::Byte>(use), static_cast<base::Byte>(id >> 8), static_cast<base::Byte>(id)};
}

base::ByteArray<27> place(Use use, const RecordKey& key, std::uint8_t queue, std::int64_t due_ms) {
  base::ByteArray<27> out{static_cast<base::Byte>(use), key.table};
  auto at = std::ranges::copy(key.id, out.begin() + 2).out;
  *at++ = queue;
  for (int shift = 56; shift >= 0; shift -= 8) *at++ = static_cast<base::Byte>(due_ms >> shift);
  return out;
}

}  // namespace

Lanes& Lanes::operator+=(const Lanes& other) {
  for (std::size_t i = 0; i < lane.size(); ++i) lane[i] += other.lane[i];
  return *this;
}

Lanes& Lanes::operator-=(const Lanes& other) {
  for (std::size_t i = 0; i < lane.size(); ++i) lane[i] -= other.lane[i];
  return *this;
}

base::ByteArray<32> Lanes::bytes() const {
  base::ByteArray<32> out;
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<base::Byte>(lane[i / 8] >> (56 - i % 8 * 8));
  return out;
}

Lanes Lanes::from(const base::ByteArray<32>& bytes) {
  Lanes out;
  for (std::size_t i = 0; i < bytes.size(); ++i) out.lane[i / 8] = (out.lane[i / 8] << 8) | bytes[i];
  return out;
}

Lanes Prf::row(const RecordKey& key, std::uint8_t queue, std::int64_t due_ms, base::ByteView sealed) const {
  return Lanes::from(key_({place(Use::row, key, queue, due_ms), sealed}));
}

Lanes Prf::queued(const RecordKey& key, std::uint8_t queue, std::int64_t due_ms) const {
  return Lanes::from(key_({place(Use::queued, key, queue, due_ms)}));
}

Lanes Prf::queue_part(std::uint32_t part, const Lanes& set) const {
  if (set.zero()) return {};
  const auto low = static_cast<std::uint16_t>(part);
  const auto high = static_cast<std::uint16_t>(part >> 16);
  return Lanes::from(key_({prefix(Use::queue_part, high), prefix(Use::queue_part, low), set.bytes()}));
}

Lanes Prf::bucket(std::uint16_t id, const Lanes& set) const {
  if (set.zero()) return {};
  return Lanes::from(key_({prefix(Use::bucket, id), set.bytes()}));
}

Lanes Prf::guard_block(std::uint16_t id, base::ByteView entries) const {
  if (entries.empty()) return {};
  return Lanes::from(key_({prefix(Use::guard_block, id), entries}));
}

base::Digest Prf::root(const Lanes& total) const {
  return key_({prefix(Use::root, 0), total.bytes()});
}

base::Digest Prf::guard_hash(const Lanes& total) const {
  return key_({prefix(Use::guard_hash, 0), total.bytes()});
}

}  // namespace sigillo::sealed_store
