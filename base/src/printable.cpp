#include <base/printable.hpp>

namespace sigillo::base {
namespace {

constexpr std::size_t kHead = 450, kTail = 250;

// How many bytes of a well-formed character stand at the beginning; 0 where none does.
std::size_t character(std::string_view text) {
  const auto byte = [text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  std::size_t size = 1;
  if (byte(0) >= 0x80)
    size = byte(0) < 0xc2 ? 0 : byte(0) < 0xe0 ? 2 : byte(0) < 0xf0 ? 3 : byte(0) < 0xf5 ? 4 : 0;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  // Overlong forms, surrogates, beyond U+10FFFF (RFC 3629, 4); and the controls U+0080 to U+009F.
  if (size == 2 && byte(0) == 0xc2 && byte(1) < 0xa0) return 0;
  if (size == 3 && ((byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xed && byte(1) > 0x9f))) return 0;
  if (size == 4 && ((byte(0) == 0xf0 && byte(1) < 0x90) || (byte(0) == 0xf4 && byte(1) > 0x8f))) return 0;
  return size;
}

bool inside_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

}  // namespace

// Names of files may be any bytes. 1. somebody has an officer run a command on a file whose name is an escape
// sequence; 2. the terminal carries it out; or the JSON is none any more, and the script that reads it takes
// a failure for nothing.
std::string printable(std::string_view text, bool lines) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = character(text);
    const char first = text.front();
    const bool control = size == 1 && (static_cast<unsigned char>(first) < 0x20 || first == 0x7f);
    const bool shown = size != 0 && (!control || (lines && first == '\n'));
    shown ? out.append(text.substr(0, size)) : out.append(1, '?');
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

std::string printable_sentence(std::string_view text) {
  const std::string whole = printable(text, true);
  if (whole.size() <= kHead + kTail) return whole;
  std::size_t head = kHead, tail = whole.size() - kTail;
  while (inside_character(whole[head])) --head;
  while (inside_character(whole[tail])) ++tail;
  return whole.substr(0, head) + " ... " + whole.substr(tail);
}

}  // namespace sigillo::base
