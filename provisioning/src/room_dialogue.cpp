// The dialogue on a real terminal.
#include <cerrno>

#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <provisioning/command.hpp>
#include <provisioning/terminal.hpp>

#include "dialogue.hpp"

namespace sigillo::provisioning {
namespace {

constexpr std::size_t kWidth = 78;
constexpr std::size_t kLineMax = 512;
// The alternate screen has no scroll-back; what was on it is wiped before it is left.
constexpr std::string_view kOwnScreen = "\x1b[?1049h\x1b[H\x1b[2J";
constexpr std::string_view kLeaveScreen = "\x1b[2J\x1b[3J\x1b[H\x1b[?1049l";

class RoomDialogue final : public Dialogue {
 public:
  explicit RoomDialogue(int fd) : fd_(fd) {}
  ~RoomDialogue() override { ::close(fd_); }
  RoomDialogue(const RoomDialogue&) = delete;
  RoomDialogue& operator=(const RoomDialogue&) = delete;

  bool rehearsal() const override { return false; }
  void heading(std::string_view text) override { write("\n== " + std::string(text) + " ==\n\n"); }
  void say(std::string_view text) override { write(wrapped(text, 0, kWidth)); }
  void runs(std::string_view what) override { write(wrapped("-> " + std::string(what), 2, kWidth)); }
  void table(std::string_view line) override { write("    " + std::string(line) + '\n'); }
  void warn(std::string_view text) override { write(wrapped("!! " + std::string(text), 0, kWidth)); }

  base::Result<std::string> ask(std::string_view question, const Typed&) override {
    write(std::string(question) + " > ");
    std::string line;
    char c = 0;
    for (;;) {
      const ssize_t got = ::read(fd_, &c, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return base::Error(Errc::terminal, "the terminal was lost");
      if (c == '\n') break;
      if (line.size() < kLineMax) line += c;
    }
    while (line.ends_with(' ') || line.ends_with('\r')) line.pop_back();
    return line;
  }

  base::Result<base::Secret> ask_secret(std::string_view question, const Typed&) override {
    return provisioning::ask_secret(std::string(question) + " > ");
  }

  base::Result<void> show(const base::Secret& screen, std::string_view) override {
    write(kOwnScreen);
    write(screen.expose_text());
    // No echo and no ^C meanwhile: a process that ends here would leave the share where it stands.
    const auto pressed =
        provisioning::ask_secret("Press Enter when it is on paper: this screen is then cleared. > ");
    write(kLeaveScreen);
    if (!pressed) return pressed.error();
    return base::ok();
  }

 private:
  void write(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t wrote = ::write(fd_, text.data(), text.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) return;  // the next question finds that nobody answers
      text.remove_prefix(static_cast<std::size_t>(wrote));
    }
  }
  int fd_;
};

}  // namespace

base::Result<std::unique_ptr<Dialogue>> open_room() {
  const int fd = ::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (fd < 0 || ::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0) {
    if (fd >= 0) ::close(fd);
    return base::Error(Errc::terminal, "a ceremony is held at a terminal, and there is none");
  }
  // What libraries free is overwritten: a share on its way to the screen leaves nothing behind in the heap.
  ::mallopt(M_PERTURB, 0x5a);
  ::prctl(PR_SET_DUMPABLE, 0);
  return std::unique_ptr<Dialogue>(new RoomDialogue(fd));
}

}  // namespace sigillo::provisioning
