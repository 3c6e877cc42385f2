// What a file that was just made has to pass before it is relied on, whoever made it: on the disk, and whole
// by SQLCipher's word and by SQLite's. Thread rule: as Database.
#pragma once

#include <filesystem>

#include "database.hpp"

namespace sigillo::sealed_store {

// Which file stands at a path; two are equal where it is the same one, and a missing one equals none.
struct FileMark {
  std::uint64_t device = 0, inode = 0;
  bool there = false;
  static FileMark of(const std::filesystem::path& file);
  bool operator==(const FileMark& other) const {
    return there && other.there && device == other.device && inode == other.inode;
  }
};

base::Result<void> sync_file(const std::filesystem::path& file);
base::Result<void> sync_folder(const std::filesystem::path& folder);  // empty: where we are
// cipher_integrity_check reads the main file only: what is in a WAL must have been folded into it.
base::Result<void> check_integrity(Database& db);

}  // namespace sigillo::sealed_store
