// The reading half of codec.hpp: every bound is checked, one bad byte makes the whole bad, and a number, an
// enumerator or a presence that the writer would have written otherwise is one. Thread rule: values.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include <appliance/appended.hpp>
#include <base/bytes.hpp>
#include <base/clock.hpp>

#include "codec_listed.hpp"

namespace sigillo::appliance::codec {

class Reader {
 public:
  explicit Reader(base::ByteView in) : in_(in) {}
  bool whole() const { return good_ && in_.empty(); }

  template <class... Ts>
  void operator()(Ts&... members) {
    (read(members), ...);
  }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !in_.empty(); shift += 7) {
      const base::Byte byte = in_.front();
      in_ = in_.subspan(1);
      if (shift == 63 && byte > 1) break;  // past 64 bits
      if (shift > 0 && byte == 0) break;   // longer than it is written
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    good_ = false;
    return 0;
  }
  bool presence() {
    const auto raw = varint();
    if (raw > 1) good_ = false;
    return raw == 1;
  }
  std::size_t length() {
    const auto value = varint();
    if (value > in_.size()) good_ = false;  // every element takes a byte at least
    return good_ ? static_cast<std::size_t>(value) : 0;
  }
  base::ByteView take(std::size_t size) {
    if (size > in_.size()) good_ = false;
    if (!good_) return {};
    const auto out = in_.first(size);
    in_ = in_.subspan(size);
    return out;
  }
  template <class T>
  void read(T& value) {
    if constexpr (std::is_enum_v<T>) {
      const auto raw = varint();
      value = static_cast<T>(raw);
      if (static_cast<std::uint64_t>(value) != raw) good_ = false;
    } else if constexpr (std::is_same_v<T, bool>) {
      value = presence();
    } else if constexpr (std::is_integral_v<T> && std::is_unsigned_v<T>) {
      const auto raw = varint();
      value = static_cast<T>(raw);
      if (value != raw) good_ = false;
    } else if constexpr (std::is_integral_v<T>) {
      const auto raw = varint();
      const auto whole = static_cast<std::int64_t>(raw >> 1) ^ -static_cast<std::int64_t>(raw & 1);
      value = static_cast<T>(whole);
      if (value != whole) good_ = false;
    } else {
      static_assert(Listed<T>);
      value.fields(*this);
    }
  }
  void read(base::Instant& value) { read(value.ms); }
  void read(std::string& value) { value = std::string(base::text(take(length()))); }
  void read(base::Bytes& value) {
    const auto bytes = take(length());
    value.assign(bytes.begin(), bytes.end());
  }
  template <std::size_t N>
  void read(base::ByteArray<N>& value) {
    const auto bytes = take(N);
    if (good_) std::copy(bytes.begin(), bytes.end(), value.begin());
  }
  template <class T>
  void read(std::optional<T>& value) {
    value.reset();
    if (presence() && good_) read(value.emplace());
  }
  template <class T>
  void read(Appended<T>& last) {
    last.value = {};
    if (good_ && !in_.empty()) read(last.value);
  }
  template <class T>
  void read(std::vector<T>& values) {
    const auto count = length();
    values.clear();
    for (std::size_t i = 0; i < count && good_; ++i) read(values.emplace_back());
  }
  template <class... Ts>
  void read(std::variant<Ts...>& value) {
    const auto index = varint();
    if (index >= sizeof...(Ts)) good_ = false;
    if (good_) alternative<0>(index, value);
  }
  template <std::size_t I, class... Ts>
  void alternative(std::uint64_t index, std::variant<Ts...>& value) {
    if constexpr (I < sizeof...(Ts)) {
      if (index == I) {
        read(value.template emplace<I>());
      } else {
        alternative<I + 1>(index, value);
      }
    }
  }

  base::ByteView in_;
  bool good_ = true;
};

}  // namespace sigillo::appliance::codec
