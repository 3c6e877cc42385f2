// Histogram: latencies in nanoseconds, counted in buckets that are everywhere less than 1 % wide (HDR: a
// power of two, divided into 128), so that a tail is as exact as the middle and recording is one addition.
// Debian has no C or C++ library for it. Thread rule: one owner.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace sigillo::bench {

class Histogram {
 public:
  Histogram() : counts_((64 - kBits) << kBits) {}

  void record(std::uint64_t ns) {
    ++counts_[index(ns)];
    ++total_;
    if (ns > max_) max_ = ns;
  }
  std::uint64_t total() const { return total_; }
  std::uint64_t max() const { return max_; }
  // The upper end of the bucket that the quantile falls into.
  std::uint64_t at(double quantile) const {
    const auto wanted = static_cast<std::uint64_t>(quantile * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted) return upper(i) < max_ ? upper(i) : max_;
    }
    return max_;
  }

 private:
  static constexpr unsigned kBits = 7;
  static std::size_t index(std::uint64_t v) {
    const unsigned width = static_cast<unsigned>(std::bit_width(v));
    if (width <= kBits) return v;
    const unsigned shift = width - kBits - 1;
    return (std::size_t{shift} << kBits) + (v >> shift);
  }
  static std::uint64_t upper(std::size_t i) {
    if (i < (2U << kBits)) return i;
    const auto shift = (i >> kBits) - 1;
    return (((i & ((1U << kBits) - 1)) + (1U << kBits) + 1) << shift) - 1;
  }
  std::vector<std::uint64_t> counts_;
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace sigillo::bench
