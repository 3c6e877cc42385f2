#include "restore_files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include <base/sync.hpp>
#include <sealed_store/store.hpp>

namespace sigillo::appliance {
namespace {

namespace fs = std::filesystem;
using sealed_store::Errc;

base::Error failed(const char* what) {
  return {Errc::unavailable, what, static_cast<unsigned long>(errno)};
}

base::Result<void> on_disk(bool synced) {
  return synced ? base::ok() : failed("a restored file could not be synced");
}

base::Result<void> sync_folder(const std::string& store) {
  return on_disk(base::sync_folder(fs::path(store).parent_path()));
}

bool there(const std::string& path) {
  struct stat seen {};
  return ::lstat(path.c_str(), &seen) == 0;
}

base::Result<void> copy(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::copy_file(from, to, error);
  if (error)
    return base::Error(Errc::unavailable, "the file to restore from could not be copied",
                       static_cast<unsigned long>(error.value()));
  using enum fs::perms;
  fs::permissions(to, owner_read | owner_write, error);
  return on_disk(base::sync_file(to));
}

std::string replaced_name(const std::string& store, int number) {
  return store + ".replaced-" + std::to_string(number);
}

base::Result<void> link(const std::string& from, const std::string& to) {
  if (!there(from) || ::link(from.c_str(), to.c_str()) == 0) return base::ok();
  return failed("the store's file of before could not be put aside");
}

base::Result<void> unlink(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return base::ok();
  return failed("a file beside the store could not be removed");
}

}  // namespace

std::string candidate_of(const std::string& store) {
  return store + ".restoring";
}

void remove_candidate(const std::string& store) {
  for (const char* suffix : {"", "-wal", "-shm", ".keys"})
    static_cast<void>(unlink(candidate_of(store) + suffix));
}

base::Result<void> make_candidate(const std::string& source, const std::string& store) {
  remove_candidate(store);
  const auto candidate = candidate_of(store);
  SIGILLO_CHECK(copy(source, candidate));
  if (there(source + "-wal")) SIGILLO_CHECK(copy(source + "-wal", candidate + "-wal"));
  return sync_folder(store);
}

// A WAL of before beside the new file would be read as if it were its own: it goes before the new file comes,
// and by then stands under another name together with the file that it belongs to.
base::Result<std::string> put_in_place(const std::string& store) {
  const auto candidate = candidate_of(store);
  if (there(candidate + "-wal"))
    return base::Error(Errc::unavailable, "somebody else has the restored file open");
  SIGILLO_CHECK(on_disk(base::sync_file(candidate)));
  std::string replaced;
  if (there(store) || there(store + "-wal")) {
    int number = 1;
    while (there(replaced_name(store, number)) || there(replaced_name(store, number) + "-wal")) ++number;
    replaced = replaced_name(store, number);
    SIGILLO_CHECK(link(store + "-wal", replaced + "-wal"));
    SIGILLO_CHECK(link(store, replaced));
    SIGILLO_CHECK(sync_folder(store));
    SIGILLO_CHECK(unlink(store + "-wal"));
    SIGILLO_CHECK(unlink(store + "-shm"));
    SIGILLO_CHECK(sync_folder(store));
  }
  if (std::rename(candidate.c_str(), store.c_str()) != 0)
    return failed("the restored file could not take the store's place");
  SIGILLO_CHECK(sync_folder(store));
  return replaced;
}

std::string last_replaced(const std::string& store) {
  int number = 0;
  while (there(replaced_name(store, number + 1))) ++number;
  return number > 0 ? replaced_name(store, number) : std::string();
}

bool cut_off(const std::string& store) {
  const auto replaced = last_replaced(store);
  struct stat one {
  }, other{};
  return !replaced.empty() && ::lstat(store.c_str(), &one) == 0 && ::lstat(replaced.c_str(), &other) == 0 &&
         one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

}  // namespace sigillo::appliance
