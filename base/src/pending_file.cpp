#include <base/pending_file.hpp>
#include <base/sync.hpp>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sigillo::base {
namespace {

constexpr std::size_t kPiece = 1024 * 1024;

Error failed(const char* what) {
  return {FileErrc::failed, what, static_cast<unsigned long>(errno)};
}

}  // namespace

Result<PendingFile> PendingFile::create(const std::string& target, bool replace) {
  if (target == "-") return PendingFile(STDOUT_FILENO, {}, {}, replace);
  const std::filesystem::path path(target);
  struct stat info {};
  if (::lstat(target.c_str(), &info) == 0) {
    if (!replace) return Error(FileErrc::exists, "it is there already");
    // A rename over a device or a link would replace that, and not what it leads to.
    if (!S_ISREG(info.st_mode)) return Error(FileErrc::exists, "it is there and not a regular file");
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

Result<void> PendingFile::write(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() < kPiece) return ok();
  return flush();
}

Result<void> PendingFile::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t wrote = ::write(fd_, rest.data(), rest.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return failed("a file could not be written");
    rest.remove_prefix(static_cast<std::size_t>(wrote));
  }
  buffer_.clear();
  return ok();
}

Result<void> PendingFile::finish() {
  SIGILLO_CHECK(flush());
  if (temporary_.empty()) return ok();
  if (::fsync(fd_) != 0) return failed("a file could not be synced");
  if (::close(std::exchange(fd_, -1)) != 0) return failed("a file could not be written");
  const unsigned flags = replace_ ? 0 : RENAME_NOREPLACE;
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), flags) != 0) {
    if (errno == EEXIST) return Error(FileErrc::exists, "it is there already");
    return failed("a file could not be renamed");
  }
  temporary_.clear();
  return sync_folder(target_.parent_path()) ? ok() : failed("a folder could not be synced");
}

}  // namespace sigillo::base
