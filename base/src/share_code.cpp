#include "share_code.hpp"

#include <base/shares.hpp>

namespace sigillo::base {
namespace {

// GF(32) with x^5 + x^3 + 1, that of BIP-173. In constant time: the operands are of a share.
Byte times(Byte a, Byte b) {
  unsigned product = 0;
  for (int bit = 0; bit < 5; ++bit) product ^= (b >> bit & 1U) * (static_cast<unsigned>(a) << bit);
  for (int bit = 8; bit >= 5; --bit) product ^= (product >> bit & 1U) * (0x29U << (bit - 5));
  return static_cast<Byte>(product);
}

std::uint32_t polymod(std::uint32_t state, Byte symbol) {
  constexpr std::uint32_t kGenerator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
  const std::uint32_t top = state >> 25;
  state = (state & 0x1ffffff) << 5 ^ symbol;
  for (int i = 0; i < 5; ++i) state ^= (top >> i & 1U) * kGenerator[i];
  return state;
}

}  // namespace

std::optional<Byte> symbol_of(char c) {
  const char upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  const auto at = kShareAlphabet.find(upper);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<Byte>(at);
}

void to_symbols(ByteView bytes, std::span<Byte> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    unsigned symbol = 0;
    for (std::size_t bit = 5 * i; bit < 5 * i + 5; ++bit) {
      symbol = symbol << 1 | (bytes[bit / 8] >> (7 - bit % 8) & 1U);
    }
    out[i] = static_cast<Byte>(symbol);
  }
}

void to_bytes(std::span<const Byte> symbols, std::span<Byte> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    unsigned byte = 0;
    for (std::size_t bit = 8 * i; bit < 8 * i + 8; ++bit) {
      byte = byte << 1 | (symbols[bit / 5] >> (4 - bit % 5) & 1U);
    }
    out[i] = static_cast<Byte>(byte);
  }
}

Byte row_check(unsigned row, std::span<const Byte> symbols) {
  Byte power = 1;
  Byte sum = static_cast<Byte>(row);
  for (const Byte symbol : symbols) {
    power = times(power, 2);
    sum = static_cast<Byte>(sum ^ times(power, symbol));
  }
  return sum;
}

ByteArray<kCheckSymbols> bch(std::span<const Byte> symbols) {
  std::uint32_t state = 1;
  for (const char c : std::string_view("SGLLSHARE")) state = polymod(state, *symbol_of(c));
  for (const Byte symbol : symbols) state = polymod(state, symbol);
  for (std::size_t i = 0; i < kCheckSymbols; ++i) state = polymod(state, 0);
  state ^= 0x2bc830a3;  // BIP-350: so that symbols 0 inserted before the end are seen
  ByteArray<kCheckSymbols> out;
  for (std::size_t i = 0; i < kCheckSymbols; ++i) {
    out[i] = static_cast<Byte>(state >> (5 * (kCheckSymbols - 1 - i)) & 31);
  }
  return out;
}

}  // namespace sigillo::base
