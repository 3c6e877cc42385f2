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

base::Result<PendingFile> PendingFile::create(const std::string& target, bool replace) {
  if (target == "-") return PendingFile(STDOUT_FILENO, {}, {}, replace);
  const std::filesystem::path path(target);
  struct stat info {};
  if (::lstat(target.c_str(), &info) == 0) {
    if (!replace) return base::Error(Errc::exists, "it is there already");
    // A rename over a device or a link would replace that, and not what it leads to.
    if (!S_ISREG(info.st_mode)) return base::Error(Errc::exists, "it is there and not a regular file");
  }
  std::string temporary = (path.parent_path() / ("." + path.filename().string() + ".XXXXXX")).string();
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);  // 0600
  if (fd < 0) return failed("a file could not be made");
  return PendingFile(fd, path, std::move(temporary), replace);
}

PendingFile::PendingFile(PendingFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      replace_(other.replace_),
      buffer_(std::move(other.buffer_)) {}

PendingFile::~PendingFile() {
  if (temporary_.empty()) return;
  if (fd_ >= 0) ::close(fd_);
  ::unlink(temporary_.c_str());
}

base::Result<void> PendingFile::write(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() < kPiece) return base::ok();
  return flush();
}

base::Result<void> PendingFile::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t wrote = ::write(fd_, rest.data(), rest.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return failed("a file could not be written");
    rest.remove_prefix(static_cast<std::size_t>(wrote));
  }
  buffer_.clear();
  return base::ok();
}

base::Result<void> PendingFile::finish() {
  SIGILLO_CHECK(flush());
  if (temporary_.empty()) return base::ok();
  if (::fsync(fd_) != 0) return failed("a file could not be synced");
  if (::close(std::exchange(fd_, -1)) != 0) return failed("a file could not be written");
  const unsigned flags = replace_ ? 0 : RENAME_NOREPLACE;
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), flags) != 0) {
    if (errno == EEXIST) return base::Error(Errc::exists, "it is there already");
    return failed("a file could not be renamed");
  }
  temporary_.clear();
  const auto folder = target_.has_parent_path() ? target_.parent_path() : std::filesystem::path(".");
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failed("a folder could not be synced");
  const bool synced = ::fsync(fd) == 0;
  const auto error = failed("a folder could not be synced");
  ::close(fd);
  if (!synced) return error;
  return base::ok();
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
