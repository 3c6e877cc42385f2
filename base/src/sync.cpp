#include <base/sync.hpp>

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace sigillo::base {
namespace {

bool sync_path(const std::filesystem::path& path, int flags) {
  const int fd = ::open(path.empty() ? "." : path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return false;
  const bool synced = ::fsync(fd) == 0;
  const int code = errno;
  ::close(fd);
  errno = code;
  return synced;
}

}  // namespace

bool sync_file(const std::filesystem::path& file) {
  return sync_path(file, O_RDONLY);
}

bool sync_folder(const std::filesystem::path& folder) {
  return sync_path(folder, O_RDONLY | O_DIRECTORY);
}

}  // namespace sigillo::base
