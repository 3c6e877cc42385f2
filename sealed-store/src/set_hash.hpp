// Keyed set hashes: the sum, in four lanes modulo 2^64, of a PRF over the members. Adding and removing a
// member is one addition, and what is summed is HMAC-SHA256 under the fresh key, so that whoever holds old
// pages but not that key can not compose a set with the sum of another. Lanes stand in memory and in the
// store's encrypted file: what the ledger carries is their HMAC. Thread rule: Prf is immutable after
// construction; Lanes are values.
#pragma once

#include <base/hmac_key.hpp>
#include <sealed_store/store.hpp>

namespace sigillo::sealed_store {

struct Lanes {
  std::array<std::uint64_t, 4> lane{};

  bool operator==(const Lanes&) const = default;
  bool zero() const { return *this == Lanes{}; }
  Lanes& operator+=(const Lanes& other);
  Lanes& operator-=(const Lanes& other);
  base::ByteArray<32> bytes() const;
  static Lanes from(const base::ByteArray<32>& bytes);
};

class Prf {
 public:
  explicit Prf(base::Secret fresh_key) : key_(std::move(fresh_key)) {}

  Lanes row(const RecordKey& key, std::uint8_t queue, std::int64_t due_ms, base::ByteView sealed) const;
  Lanes queued(const RecordKey& key, std::uint8_t queue, std::int64_t due_ms) const;
  Lanes queue_part(std::uint32_t part, const Lanes& set) const;       // zero for the empty set
  Lanes bucket(std::uint16_t id, const Lanes& set) const;             // zero for the empty set
  Lanes guard_block(std::uint16_t id, base::ByteView entries) const;  // zero for no entries
  base::Digest root(const Lanes& total) const;
  base::Digest guard_hash(const Lanes& total) const;

 private:
  base::HmacKey key_;
};

}  // namespace sigillo::sealed_store
