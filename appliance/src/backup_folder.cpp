#include "backup_folder.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/pending_file.hpp>
#include <base/sync.hpp>

namespace sigillo::appliance {
namespace {

namespace fs = std::filesystem;
using base::FileErrc;

base::Error failed(const char* what) {
  return {FileErrc::failed, what, static_cast<unsigned long>(errno)};
}

base::Result<void> sync_folder(const fs::path& folder) {
  return base::sync_folder(folder) ? base::ok() : failed("a folder could not be synced");
}

// Attack: (1) make the hidden folder first, in a place where others may write, (2) put a link into it, (3)
// have the appliance write through it. A folder that is not ours, or was exchanged, is not worked in.
base::Result<int> enter(const fs::path& making) {
  if (::mkdir(making.c_str(), 0700) != 0 && errno != EEXIST) return failed("a folder could not be made");
  const int fd = ::open(making.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return failed("a folder could not be made");
  struct stat opened {
  }, named{};
  const bool locked = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
  const bool same = locked && ::fstat(fd, &opened) == 0 && ::lstat(making.c_str(), &named) == 0 &&
                    opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
  if (same && opened.st_uid == ::geteuid() && ::fchmod(fd, 0700) == 0) return fd;
  ::close(fd);
  return base::Error(
      FileErrc::failed,
      same ? "the hidden folder beside it is another user's" : "another backup is being made under this name",
      same ? EPERM : EBUSY);
}

}  // namespace

base::Result<BackupFolder> BackupFolder::begin(const fs::path& target) {
  struct stat info {};
  if (::lstat(target.c_str(), &info) == 0) return base::Error(FileErrc::exists, "it is there already");
  const auto making = target.parent_path() / ('.' + target.filename().string() + ".partial");
  SIGILLO_TRY(const int fd, enter(making));
  BackupFolder out(fd, target, making);
  std::error_code error;
  for (fs::directory_iterator at(making, error), end; !error && at != end; at.increment(error))
    fs::remove_all(at->path(), error);
  if (error)
    return base::Error(FileErrc::failed, "what a kill has left of an earlier one could not be removed",
                       static_cast<unsigned long>(error.value()));
  return out;
}

BackupFolder::BackupFolder(BackupFolder&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      target_(std::move(other.target_)),
      making_(std::move(other.making_)) {}

BackupFolder::~BackupFolder() {
  if (fd_ < 0) return;
  std::error_code ignored;
  fs::remove_all(making_, ignored);  // before the lock goes
  ::close(fd_);
}

base::Result<void> BackupFolder::add(std::string_view name, std::string_view content) const {
  SIGILLO_TRY(auto pending, base::PendingFile::create(file(name).string(), false));
  SIGILLO_CHECK(pending.write(content));
  return pending.finish();
}

base::Result<void> BackupFolder::finish() {
  SIGILLO_CHECK(sync_folder(making_));
  if (::renameat2(AT_FDCWD, making_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) return base::Error(FileErrc::exists, "it is there already");
    return failed("the folder could not be renamed");
  }
  ::close(std::exchange(fd_, -1));
  return sync_folder(target_.parent_path());
}

}  // namespace sigillo::appliance
