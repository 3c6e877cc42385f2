// PendingFile: a file that appears under its name whole or not at all. Exports, segments and checkpoints are
// written with it; whoever reads the name never meets half of one, whatever is killed when. Thread rule: one
// owner, one thread. Never: follows a link or replaces anything but a regular file.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <base/result.hpp>

namespace sigillo::base {

enum class FileErrc : std::uint16_t {
  exists = 161,  // the target is there, and may not be replaced
  failed = 162,  // the disk or the folder did not serve; raw is errno
};

// Written beside its target under a name that nobody else has, synced, then renamed; removed by the
// destructor where finish() did not succeed. Mode 0600. "-" is standard output and has none of this.
class PendingFile {
 public:
  static Result<PendingFile> create(const std::string& target, bool replace);
  PendingFile(PendingFile&& other) noexcept;
  PendingFile& operator=(PendingFile&&) = delete;
  ~PendingFile();

  Result<void> write(std::string_view text);
  // FileErrc::exists where the target appeared meanwhile and may not be replaced.
  Result<void> finish();

 private:
  PendingFile(int fd, std::filesystem::path target, std::string temporary, bool replace)
      : fd_(fd), target_(std::move(target)), temporary_(std::move(temporary)), replace_(replace) {}
  Result<void> flush();

  int fd_;
  std::filesystem::path target_;
  std::string temporary_;  // empty: standard output
  bool replace_;
  std::string buffer_;
};

}  // namespace sigillo::base
