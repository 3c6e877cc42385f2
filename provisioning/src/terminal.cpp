#include <provisioning/terminal.hpp>

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <provisioning/command.hpp>

namespace sigillo::provisioning {
namespace {

constexpr std::size_t kLineMax = 512;
constexpr char kInterrupt = 3;  // ^C

// ^C while the echo is off would leave the person's shell without one: the keys that send signals are off as
// well, and ^C ends the line as a character of it.
class Quiet {
 public:
  explicit Quiet(int fd) : fd_(fd) {
    good_ = ::tcgetattr(fd, &before_) == 0;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
    quiet.c_lflag |= ICANON;
    quiet.c_cc[VEOL] = kInterrupt;
    if (good_) good_ = ::tcsetattr(fd, TCSAFLUSH, &quiet) == 0;
  }
  ~Quiet() {
    if (good_) ::tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;
  bool good() const { return good_; }

 private:
  int fd_;
  bool good_ = false;
  termios before_{};
};

void say(int fd, const std::string& text) {
  if (::write(fd, text.data(), text.size()) < 0) return;  // a terminal that is gone will not answer either
}

}  // namespace

base::Result<base::Secret> ask_secret(const std::string& prompt) {
  const int fd = ::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return base::Error(Errc::terminal, "there is no terminal to ask at");
  base::Secret line(kLineMax);
  std::size_t size = 0;
  bool whole = false;
  {
    const Quiet quiet(fd);
    if (quiet.good()) {
      say(fd, prompt);
      while (size < kLineMax && !whole) {
        const ssize_t got = ::read(fd, line.writable().data() + size, kLineMax - size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        size += static_cast<std::size_t>(got);
        const char last = line.expose_text()[size - 1];
        whole = last == '\n' || last == kInterrupt;
      }
      say(fd, "\n");
    }
  }
  ::close(fd);
  auto text = line.expose_text().substr(0, size);
  if (!whole || text.ends_with(kInterrupt)) return base::Error(Errc::terminal, "nothing was typed");
  text.remove_suffix(1);
  return base::Secret(base::view(text));
}

}  // namespace sigillo::provisioning
