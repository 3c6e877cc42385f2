// GuardTable: every counter that is not zero, in memory, where it is the authority. Kept in 65,536 blocks by
// the subject's first two bytes: a block is what a fold writes and what the set hash is over. A counter takes
// 25 bytes, for memory is what a flood of made-up subjects aims at. Thread rule: none of its own; State's
// mutex.
#pragma once

#include "block_set.hpp"
#include "set_hash.hpp"

namespace sigillo::sealed_store {

class GuardTable {
 public:
  static constexpr std::size_t kBlocks = 65'536;
  static std::uint16_t block_of(const GuardKey& key) { return base::read_be<std::uint16_t>(key.subject); }

  GuardTable() : blocks_(kBlocks) {}

  GuardValue find(const GuardKey& key) const;  // the default value where there is none
  void assign(const GuardKey& key, const GuardValue& value);
  std::size_t size() const { return size_; }

  std::vector<std::pair<GuardKey, GuardValue>> list(std::uint16_t block) const;

  base::Bytes encode(std::uint16_t block) const;
  [[nodiscard]] bool load(std::uint16_t block, base::ByteView encoded);  // false: not a block's shape

  // Blocks assigned to since they were last folded.
  const BlockSet& dirty() const { return dirty_; }
  // The fold of these blocks is durable.
  void folded(std::uint16_t block, const Lanes& hash);
  const Lanes& block_hash(std::uint16_t block) const { return blocks_[block].hash; }
  const Lanes& total() const { return total_; }  // over the blocks as folded

 private:
  // The key without what the block says, then the value: 14 bytes of the subject, counter(1), failures(2),
  // unowned(2), last_ms(6), big-endian, so that the bytes of the key sort as the key does.
  using Packed = base::ByteArray<25>;
  static Packed pack(const GuardKey& key, const GuardValue& value);
  static GuardKey key_of(std::uint16_t block, const Packed& packed);
  static GuardValue value_of(const Packed& packed);
  struct Block {
    std::vector<Packed> entries;  // sorted by key
    Lanes hash;                   // as folded
  };
  std::vector<Block> blocks_;
  BlockSet dirty_;
  Lanes total_;
  std::size_t size_ = 0;
};

}  // namespace sigillo::sealed_store
