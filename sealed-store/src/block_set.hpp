// BlockSet: a set of 16-bit numbers as 65,536 bits, read in order. What of the guard table and of the buckets
// a fold still has to write: touched twice by each verification, so that a node of a tree each would cost
// more than the counter itself. Thread rule: none of its own.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace sigillo::sealed_store {

class BlockSet {
 public:
  static constexpr std::uint32_t kEnd = 65'536;

  BlockSet() : words_(kEnd / 64) {}
  void insert(std::uint16_t id) { words_[id / 64] |= bit(id); }
  void erase(std::uint16_t id) { words_[id / 64] &= ~bit(id); }

  // The first that is in it and not below `from`; kEnd where there is none.
  std::uint32_t next(std::uint32_t from) const {
    if (from >= kEnd) return kEnd;
    auto word = words_[from / 64] >> (from % 64) << (from % 64);
    for (auto at = from / 64; word == 0;) {
      if (++at == words_.size()) return kEnd;
      word = words_[at];
      from = at * 64;
    }
    return from / 64 * 64 + static_cast<std::uint32_t>(std::countr_zero(word));
  }

 private:
  static std::uint64_t bit(std::uint16_t id) { return std::uint64_t{1} << (id % 64); }
  std::vector<std::uint64_t> words_;
};

}  // namespace sigillo::sealed_store
