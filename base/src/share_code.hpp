// The characters of a share: 5 bits each, the check of a row over GF(32), and the BCH code of the whole (that
// of BIP-173 and BIP-350, which finds any four wrong characters). Thread rule: pure functions.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include <base/secret.hpp>

namespace sigillo::base {

inline constexpr std::size_t kCheckSymbols = 6;

// 0 to 31, or nothing.
std::optional<Byte> symbol_of(char c);
// Bits, from the top, five at a time. `out` takes 8 symbols for each 5 bytes.
void to_symbols(ByteView bytes, std::span<Byte> out);
void to_bytes(std::span<const Byte> symbols, std::span<Byte> out);

// Of the 15 symbols of a row. Any one wrong symbol, two neighbours exchanged, or the row in another's place
// changes it.
Byte row_check(unsigned row, std::span<const Byte> symbols);
// The check symbols of what stands before them.
ByteArray<kCheckSymbols> bch(std::span<const Byte> symbols);

}  // namespace sigillo::base
