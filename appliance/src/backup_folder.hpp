// BackupFolder: a backup while it is being made: a folder beside its place under a hidden name, which takes
// its name when everything in it is on the disk. Nothing half-made ever has the name, and what a kill leaves
// under the other one is taken over by the next try. Two at once never share one: the folder is locked.
// Thread rule: one owner.
#pragma once

#include <filesystem>
#include <string_view>

#include <base/result.hpp>

namespace sigillo::appliance {

class BackupFolder {
 public:
  // base::FileErrc::exists where something has the name; FileErrc::failed where another is at it (raw EBUSY)
  // or the folder cannot be made.
  static base::Result<BackupFolder> begin(const std::filesystem::path& target);
  BackupFolder(BackupFolder&& other) noexcept;
  BackupFolder& operator=(BackupFolder&&) = delete;
  ~BackupFolder();  // removes it with all in it, unless finish() was good

  std::filesystem::path file(std::string_view name) const { return making_ / name; }
  // A small file, mode 0600, synced.
  base::Result<void> add(std::string_view name, std::string_view content) const;
  base::Result<void> finish();

 private:
  BackupFolder(int fd, std::filesystem::path target, std::filesystem::path making)
      : fd_(fd), target_(std::move(target)), making_(std::move(making)) {}

  int fd_;  // of the folder, locked
  std::filesystem::path target_, making_;
};

}  // namespace sigillo::appliance
