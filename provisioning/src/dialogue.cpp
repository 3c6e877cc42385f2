#include "dialogue.hpp"

namespace sigillo::provisioning {
namespace {

// Characters, not bytes: the second and later bytes of one are 10xxxxxx.
std::size_t columns(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  return count;
}

}  // namespace

std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
  std::string out;
  const std::string margin(indent, ' ');
  std::size_t at = 0;
  while (!text.empty()) {
    const auto end = text.find_first_of(" \n");
    const auto word = text.substr(0, end);
    const std::size_t size = columns(word);
    if (at != 0 && at + 1 + size > width) out += '\n', at = 0;
    if (at == 0) {
      out += margin, at = indent;
    } else {
      out += ' ', ++at;
    }
    out += word, at += size;
    if (end == std::string_view::npos) break;
    if (text[end] == '\n') out += '\n', at = 0;
    text.remove_prefix(end + 1);
  }
  return out + '\n';
}

base::Result<void> Dialogue::wait(std::string_view what) {
  SIGILLO_TRY(const auto line, ask(std::string(what) + " Press Enter.", {"Enter", ""}));
  static_cast<void>(line);
  return base::ok();
}

base::Result<bool> Dialogue::confirm(std::string_view question) {
  for (;;) {
    SIGILLO_TRY(const auto line, ask(std::string(question) + " (yes or no)", {"yes", "yes"}));
    if (line == "yes" || line == "no") return line == "yes";
    warn("Please type yes or no.");
  }
}

}  // namespace sigillo::provisioning
