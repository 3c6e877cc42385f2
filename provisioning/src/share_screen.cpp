#include "share_screen.hpp"

#include <openssl/crypto.h>
#include <qrencode.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace sigillo::provisioning {
namespace {

constexpr int kQuiet = 2;  // modules of margin: half of the standard's, and read by what was tried
constexpr std::string_view kGap = "     ";
constexpr int kFirstRowAt = 4;  // the line of the code beside which the share's first row stands

// libqrencode's copies of the text are ordinary memory: the ceremony has freed memory overwritten
// (M_PERTURB), and the code itself is wiped here.
struct CodeFree {
  void operator()(QRcode* code) const {
    OPENSSL_cleanse(code->data,
                    static_cast<std::size_t>(code->width) * static_cast<std::size_t>(code->width));
    QRcode_free(code);
  }
};
using Code = std::unique_ptr<QRcode, CodeFree>;

Code encode(const base::Secret& text) {
  base::Secret tight(text.size() + 1);  // zero-terminated
  std::size_t size = 0;
  for (const auto c : text.expose()) {
    if (c != ' ' && c != '\n') tight.writable()[size++] = c;
  }
  Code code(QRcode_encodeString(reinterpret_cast<const char*>(tight.expose().data()), 0, QR_ECLEVEL_L,
                                QR_MODE_8, 1));
  if (!code) std::abort();
  return code;
}

bool dark(const QRcode& code, int x, int y) {
  if (x < 0 || y < 0 || x >= code.width || y >= code.width) return false;
  return (code.data[y * code.width + x] & 1) != 0;
}

// Light is what is drawn: terminals are dark, and where they are not, readers take it inverted.
const char* half_block(bool above, bool below) {
  if (above) return below ? " " : "\xe2\x96\x84";
  return below ? "\xe2\x96\x80" : "\xe2\x96\x88";
}

class Screen {
 public:
  explicit Screen(std::size_t bytes) : out_(bytes) {}
  void add(std::string_view text) {
    if (text.size() > out_.size() - size_) std::abort();
    std::ranges::copy(base::view(text), out_.writable().subspan(size_).begin());
    size_ += text.size();
  }
  base::Secret take() const { return base::Secret(out_.expose().first(size_)); }

 private:
  base::Secret out_;
  std::size_t size_ = 0;
};

}  // namespace

base::Secret share_screen(const base::Share& share, const std::string& heading) {
  const auto text = share.text();
  const auto code = encode(text);
  Screen screen(heading.size() + 16 * 1024);
  screen.add(heading);
  std::string_view rows = text.expose_text();
  int line = 0;
  for (int y = -kQuiet; y < code->width + kQuiet; y += 2, ++line) {
    for (int x = -kQuiet; x < code->width + kQuiet; ++x)
      screen.add(half_block(dark(*code, x, y), dark(*code, x, y + 1)));
    if (line >= kFirstRowAt && (line - kFirstRowAt) % 2 == 0 && !rows.empty()) {
      const auto end = rows.find('\n');
      screen.add(kGap);
      screen.add(std::to_string((line - kFirstRowAt) / 2 + 1) + ")  ");
      screen.add(rows.substr(0, end));
      rows.remove_prefix(end + 1);
    }
    screen.add("\n");
  }
  return screen.take();
}

}  // namespace sigillo::provisioning
