#include "utf8.hpp"

namespace sigillo::appliance {

std::optional<char32_t> next_code_point(std::string_view& text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = at(0);
  std::size_t size = 0;
  if (first < 0x80) {
    size = 1;
  } else if (first >= 0xc2 && first < 0xe0) {  // c0 and c1 could only be overlong
    size = 2;
  } else if (first >= 0xe0 && first < 0xf0) {
    size = 3;
  } else if (first >= 0xf0 && first < 0xf5) {  // beyond is past U+10FFFF
    size = 4;
  }
  if (size == 0 || text.size() < size) return std::nullopt;
  char32_t code = size == 1 ? first : first & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0U) != 0x80) return std::nullopt;
    code = (code << 6) | (at(i) & 0x3fU);
  }
  const bool overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (overlong || surrogate || code > 0x10ffff) return std::nullopt;
  text.remove_prefix(size);
  return code;
}

}  // namespace sigillo::appliance
