// FreshRows: what memory knows of the record table, so that an older row or page is recognised. 65,536
// buckets by the first two bytes of the id; of each the set hash (always), and an 8-byte mark per row (once
// the bucket was checked against the disk, at its first use after start). The hashes' root is what the ledger
// carries. Attack it stops: (1) copy a page or row, (2) spend the guesses or revoke the credential, (3) put
// the copy back, with or without a restart: the page authenticates, for it is genuine; its fingerprint is not
// the one of today. Thread rule: none of its own; State's mutex. Bucket is a value.
#pragma once

#include "block_set.hpp"
#include "set_hash.hpp"

namespace sigillo::sealed_store {

struct Bucket {
  // 24 bits that name the row, 40 of its fingerprint: two rows of a bucket may share a tag, and then a
  // missing row is decided by reading the whole bucket. A fingerprint can not be searched for, it is keyed;
  // an old row that is put back meets its own by one chance in 2^40, and each try that does not raises the
  // alarm.
  using Mark = std::uint64_t;

  static std::uint16_t of(const RecordKey& key) { return base::read_be<std::uint16_t>(key.id); }

  bool knows(const RecordKey& key) const;  // true also for a row that shares the tag
  bool holds(const RecordKey& key, const Lanes& row) const;
  void add(const RecordKey& key, const Lanes& row);
  void remove(const RecordKey& key, const Lanes& row);  // must be held

  Lanes hash;
  std::vector<Mark> marks;  // unordered
  bool verified = false;    // marks are those of the disk
  bool alarmed = false;
};

class FreshRows {
 public:
  static constexpr std::size_t kBuckets = 65'536;

  FreshRows() : buckets_(kBuckets) {}

  const Bucket& at(std::uint16_t id) const { return buckets_[id]; }
  // The bucket as the disk has it; taken over where its hash is the one that is known. False: it is older, or
  // being changed right now.
  [[nodiscard]] bool install(std::uint16_t id, Bucket loaded);
  // An alarm is raised once per bucket, whatever it is asked for afterwards.
  void alarm(std::uint16_t id);
  std::size_t alarms() const { return alarms_; }

  void replace(std::uint16_t id, Bucket changed, const Lanes& total);  // committed; total over all buckets
  void load(std::uint16_t id, const Lanes& hash) { buckets_[id].hash = hash; }
  void loaded(const Lanes& total) { total_ = total; }

  const Lanes& total() const { return total_; }
  const BlockSet& dirty() const { return dirty_; }  // changed since last folded
  void folded(std::uint16_t id) { dirty_.erase(id); }
  void mark_dirty(std::uint16_t id) { dirty_.insert(id); }

 private:
  std::vector<Bucket> buckets_;
  BlockSet dirty_;
  Lanes total_;
  std::size_t alarms_ = 0;
};

}  // namespace sigillo::sealed_store
