#include "file_checks.hpp"

#include <cerrno>

#include <sys/stat.h>

#include <base/sync.hpp>

namespace sigillo::sealed_store {
namespace {

base::Result<void> on_disk(bool synced) {
  if (synced) return base::ok();
  return base::Error(Errc::unavailable, "the new file could not be synced",
                     static_cast<unsigned long>(errno));
}

}  // namespace

FileMark FileMark::of(const std::filesystem::path& file) {
  struct stat found {};
  if (::stat(file.c_str(), &found) != 0) return {};
  return {found.st_dev, found.st_ino, true};
}

base::Result<void> sync_file(const std::filesystem::path& file) {
  return on_disk(base::sync_file(file));
}

base::Result<void> sync_folder(const std::filesystem::path& folder) {
  return on_disk(base::sync_folder(folder));
}

base::Result<void> check_integrity(Database& db) {
  for (const char* check : {"PRAGMA cipher_integrity_check", "PRAGMA integrity_check"}) {
    SIGILLO_TRY(auto statement, db.prepare(check));
    auto cursor = statement();
    SIGILLO_TRY(const bool row, cursor.next());
    if (row && base::text(cursor.blob(0)) != "ok")
      return base::Error(Errc::corrupt, "the file does not pass its integrity check");
  }
  return base::ok();
}

}  // namespace sigillo::sealed_store
