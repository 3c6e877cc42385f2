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

base::Result<std::string> read_small_file(const std::filesystem::path& path, std::size_t bytes_max) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed("a file could not be opened");
  std::string out(bytes_max + 1, '\0');
  std::size_t size = 0;
  ssize_t got = 1;
  while (size < out.size() && (got = ::read(fd, out.data() + size, out.size() - size)) > 0)
    size += static_cast<std::size_t>(got);
  ::close(fd);
  if (got < 0) return failed("a file could not be read");
  if (size > bytes_max) return base::Error(Errc::file, "a file is too long to be what it should be");
  out.resize(size);
  return out;
}

base::Result<base::Secret> read_secret_file(const std::filesystem::path& path) {
  constexpr std::size_t kMax = 1024;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed("a secret's file could not be opened");
  struct stat info {};
  base::Secret bytes(kMax);
  ssize_t got = -1;
  const bool readable = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  const bool by_others = (info.st_mode & (S_IRWXG | S_IRWXO)) != 0;
  if (readable && !by_others) got = ::read(fd, bytes.writable().data(), bytes.size());
  ::close(fd);
  if (readable && by_others)
    return base::Error(Errc::file, "a secret's file can be read by others: chmod 600 it");
  if (got < 0) return failed("a secret's file could not be read");
  auto text = bytes.expose_text().substr(0, static_cast<std::size_t>(got));
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  if (text.empty() || text.size() == kMax)
    return base::Error(Errc::file, "a secret's file is empty or too long");
  return base::Secret(base::view(text));
}

base::Result<void> replace_file(const std::filesystem::path& path, base::ByteView content, mode_t mode) {
  const auto beside = path.string() + ".new";
  ::unlink(beside.c_str());
  SIGILLO_CHECK(write_new_file(beside, content, mode));
  if (::rename(beside.c_str(), path.c_str()) != 0) return failed("a file could not be replaced");
  return base::ok();
}

base::Result<void> make_folder(const std::filesystem::path& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0) return failed("a folder could not be made");
  return base::ok();
}

}  // namespace sigillo::provisioning
