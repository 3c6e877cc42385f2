#include "audit_files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <provisioning/command.hpp>

namespace sigillo::provisioning {
namespace {

constexpr std::size_t kPiece = 1024 * 1024;
constexpr std::size_t kLineMax = 1024 * 1024;  // an entry has less than 1 KiB, a key set some dozens of keys
constexpr auto kPatience = std::chrono::seconds(1);
constexpr auto kRedraw = std::chrono::milliseconds(200);
constexpr int kBarWidth = 40;

base::Error failed(const char* what) {
  return {Errc::file, what, static_cast<unsigned long>(errno)};
}

}  // namespace

Progress::Progress(std::string doing, std::uint64_t total)
    : doing_(std::move(doing)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) == 1),
      next_(std::chrono::steady_clock::now() + kPatience) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

void Progress::at(std::uint64_t done) {
  if (!terminal_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + kRedraw;
  drawn_ = true;
  if (total_ == 0) {
    std::fprintf(stderr, "\r\033[K%s  %llu", doing_.c_str(), static_cast<unsigned long long>(done));
    return;
  }
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
  const int full = static_cast<int>(share * kBarWidth);
  const std::string bar = std::string(full, '#') + std::string(kBarWidth - full, '.');
  std::fprintf(stderr, "\r\033[K%s  [%s] %3d %%", doing_.c_str(), bar.c_str(), static_cast<int>(share * 100));
}

base::Result<std::unique_ptr<InputBuffer>> InputBuffer::open(const std::string& file) {
  const int fd = file == "-" ? STDIN_FILENO : ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed("it cannot be opened");
  struct stat info {};
  const bool sized = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  return std::unique_ptr<InputBuffer>(
      new InputBuffer(fd, sized ? static_cast<std::uint64_t>(info.st_size) : 0));
}

InputBuffer::InputBuffer(int fd, std::uint64_t size)
    : fd_(fd), buffer_(kPiece), progress_("checking", size) {}

InputBuffer::~InputBuffer() {
  if (fd_ != STDIN_FILENO) ::close(fd_);
}

InputBuffer::int_type InputBuffer::underflow() {
  if (trouble_) return traits_type::eof();
  ssize_t got = 0;
  do {
    got = ::read(fd_, buffer_.data(), buffer_.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) trouble_ = failed("it cannot be read");
  if (got <= 0) return traits_type::eof();
  const auto size = static_cast<std::size_t>(got);
  const auto* newline = static_cast<const char*>(::memrchr(buffer_.data(), '\n', size));
  line_ = newline == nullptr ? line_ + size : static_cast<std::size_t>(buffer_.data() + size - newline) - 1;
  if (line_ > kLineMax) {
    trouble_ = base::Error(Errc::file, "it has a line longer than any of an export");
    return traits_type::eof();
  }
  progress_.at(read_ += size);
  setg(buffer_.data(), buffer_.data(), buffer_.data() + size);
  return traits_type::to_int_type(buffer_[0]);
}

}  // namespace sigillo::provisioning
