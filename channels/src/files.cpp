#include <channels/files.hpp>

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <channels/errc.hpp>

namespace sigillo::channels {
namespace {

constexpr off_t kSizeMax = 64 * 1024;

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

base::Result<base::Secret> read_private_file(const std::string& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)};
  struct stat status {};
  if (file.fd < 0 || ::fstat(file.fd, &status) != 0) {
    return base::Error(Errc::file, "a private file cannot be opened", static_cast<unsigned long>(errno));
  }
  if (!S_ISREG(status.st_mode) || status.st_size > kSizeMax) {
    return base::Error(Errc::file, "a private file is not a regular file of at most 64 KiB");
  }
  if ((status.st_mode & 077) != 0) {
    return base::Error(Errc::file, "a private file can be read by others: chmod 600 it");
  }
  base::Secret content(static_cast<std::size_t>(status.st_size));
  std::size_t have = 0;
  while (have < content.size()) {
    const ssize_t got = ::read(file.fd, content.writable().data() + have, content.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0)
      return base::Error(Errc::file, "a private file cannot be read", static_cast<unsigned long>(errno));
    have += static_cast<std::size_t>(got);
  }
  return content;
}

base::Result<void> write_new_file(const std::string& path, base::ByteView content, unsigned mode) {
  const Descriptor file{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)};
  const auto failed = [](const char* what) {
    return base::Error(Errc::file, what, static_cast<unsigned long>(errno));
  };
  if (file.fd < 0) return failed("a file cannot be made");
  while (!content.empty()) {
    const ssize_t wrote = ::write(file.fd, content.data(), content.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return failed("a file cannot be written");
    content = content.subspan(static_cast<std::size_t>(wrote));
  }
  if (::fsync(file.fd) != 0) return failed("a file cannot be synced");
  return base::ok();
}

}  // namespace sigillo::channels
