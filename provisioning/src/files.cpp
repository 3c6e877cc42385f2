#include "files.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <provisioning/command.hpp>

namespace sigillo::provisioning {
namespace {

base::Error failed(const char* what) {
  return {Errc::file, what, static_cast<unsigned long>(errno)};
}

base::Result<void> write_and_sync(int fd, base::ByteView content, mode_t mode) {
  if (::fchmod(fd, mode) != 0) return failed("a file's mode could not be set");  // whatever the umask
  while (!content.empty()) {
    const ssize_t wrote = ::write(fd, content.data(), content.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return failed("a file could not be written");
    content = content.subspan(static_cast<std::size_t>(wrote));
  }
  if (::fsync(fd) != 0) return failed("a file could not be synced");
  return base::ok();
}

}  // namespace

base::Result<void> write_new_file(const std::filesystem::path& path, base::ByteView content, mode_t mode) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return failed("a file could not be made");
  const auto written = write_and_sync(fd, content, mode);
  if (::close(fd) != 0 && written) return failed("a file could not be written");
  return written;
}

base::Result<void> make_folder(const std::filesystem::path& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0) return failed("a folder could not be made");
  return base::ok();
}

}  // namespace sigillo::provisioning
