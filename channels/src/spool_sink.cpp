#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/log.hpp>
#include <channels/errc.hpp>
#include <channels/sink.hpp>

namespace sigillo::channels {
namespace {

base::Error failed(const char* what) {
  return {Errc::sink, what, static_cast<unsigned long>(errno)};
}

base::Result<void> write_all(int fd, base::ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return failed("a message cannot be written to the spool");
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
  }
  return base::ok();
}

}  // namespace

base::Result<SpoolSink> SpoolSink::open(const std::string& folder) {
  std::error_code parents;
  std::filesystem::create_directories(std::filesystem::path(folder).parent_path(), parents);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return failed("the spool folder cannot be made");
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failed("the spool folder cannot be opened");
  SpoolSink sink(fd);
  struct stat status {};
  if (::fstat(fd, &status) != 0 || ::faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0) {
    return failed("the spool folder cannot be written to");
  }
  // Half a PIN in each file: the folder is for this courier and whoever runs as it.
  if ((status.st_mode & 077) != 0) {
    return base::Error(Errc::sink, "the spool folder can be read by others: chmod 700 it");
  }
  return sink;
}

SpoolSink::SpoolSink(SpoolSink&& other) noexcept : folder_(std::exchange(other.folder_, -1)) {}

SpoolSink::~SpoolSink() {
  if (folder_ >= 0) ::close(folder_);
}

base::Result<void> SpoolSink::take(const Message& message) {
  const std::string name = message.delivery_id + ".json";
  const std::string unfinished = '.' + name;  // readers of the folder look at *.json
  const int fd =
      ::openat(folder_, unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return failed("a file cannot be made in the spool");
  auto written = write_all(fd, message.document.expose());
  if (written && ::fsync(fd) != 0) written = failed("a message cannot be synced to the spool");
  // NFS reports a full disk here.
  if (::close(fd) != 0 && written) written = failed("a message cannot be written to the spool");
  if (written && ::renameat(folder_, unfinished.c_str(), folder_, name.c_str()) != 0) {
    written = failed("a message cannot be renamed in the spool");
  }
  if (!written) {
    ::unlinkat(folder_, unfinished.c_str(), 0);
    return written;
  }
  if (::fsync(folder_) != 0) return failed("the spool folder cannot be synced");
  return base::ok();
}

}  // namespace sigillo::channels
