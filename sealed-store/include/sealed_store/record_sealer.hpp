// RecordSealer: seals records above the store, so that no engine below need be trusted with them.
// AES-256-GCM, the associated data being format version, table and id, so that a row can not be moved or
// exchanged (that it is not an old one is the store's to see). Key ids are in the record; several keys open,
// the newest seals. Attack it stops: (1) read or change the file, (2) move one subject's record to another's
// key. Shape: version(1) || key id(2, big-endian) || nonce(12) || ciphertext || tag(16). It counts what it
// seals, and seals no more than a key with random nonces is good for. Thread rule: immutable after
// construction but for the count; share_count() before another thread has it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>

#include <base/secret.hpp>
#include <sealed_store/store.hpp>

namespace sigillo::sealed_store {

class RecordSealer {
 public:
  // At least one key; the highest id seals.
  explicit RecordSealer(std::map<std::uint16_t, base::Secret> keys);

  // Which key a sealed record names; 0 for what is of no such shape.
  static std::uint16_t key_of(base::ByteView sealed);
  std::size_t keys() const { return keys_.size(); }

  static constexpr std::uint64_t kUsesMax = std::uint64_t{1} << 32;  // NIST SP 800-38D, 8.3
  std::uint64_t uses() const { return *uses_; }                      // of the key that seals
  void count_from(std::uint64_t uses) const { uses_->fetch_add(uses); }
  // Another set with the same sealing key goes on with its count.
  void share_count(const RecordSealer& before);

  // Nothing once the key is used up: and a store takes no record of nothing.
  base::Bytes seal(const RecordKey& key, base::ByteView plaintext) const;
  // Errc::corrupt where the tag does not hold, the shape is wrong, or the key id is not known.
  base::Result<base::Secret> open(const RecordKey& key, base::ByteView sealed) const;

 private:
  std::map<std::uint16_t, base::Secret> keys_;
  std::shared_ptr<std::atomic<std::uint64_t>> uses_ = std::make_shared<std::atomic<std::uint64_t>>(0);
};

}  // namespace sigillo::sealed_store
