// Bytes, their views, and their textual forms. Nothing here is for secrets: see secret.hpp.
// Thread rule: pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sigillo::base {

using Byte = std::uint8_t;
using Bytes = std::vector<Byte>;
using ByteView = std::span<const Byte>;
template <std::size_t N>
using ByteArray = std::array<Byte, N>;

inline ByteView view(std::string_view text) {
  return {reinterpret_cast<const Byte*>(text.data()), text.size()};
}
inline std::string_view text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline void append(Bytes& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// Big-endian, fixed width.
template <class Int>
void append_be(Bytes& out, Int value) {
  for (int shift = static_cast<int>(sizeof(Int)) * 8 - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<Byte>(static_cast<std::uint64_t>(value) >> shift));
  }
}
template <class Int>
Int read_be(ByteView bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Int); ++i) value = (value << 8) | bytes[i];
  return static_cast<Int>(value);
}

std::string to_hex(ByteView bytes);                          // lower case
std::optional<Bytes> from_hex(std::string_view text);        // either case; nothing else
std::string to_base64url(ByteView bytes);                    // RFC 4648 section 5, no padding
std::optional<Bytes> from_base64url(std::string_view text);  // strict: no padding, no stray bits
std::string to_base64(ByteView bytes);                       // RFC 4648 section 4, padded
std::optional<Bytes> from_base64(std::string_view text);     // strict: padded, no stray bits

}  // namespace sigillo::base
