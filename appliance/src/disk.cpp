#include "disk.hpp"

#include <sys/statvfs.h>

#include <filesystem>

namespace sigillo::appliance {

std::optional<DiskSpace> disk_space(const std::string& file) {
  struct statvfs info {};
  const auto folder = std::filesystem::path(file).parent_path();
  if (::statvfs(folder.empty() ? "." : folder.c_str(), &info) != 0) return std::nullopt;
  // As df counts: what is reserved for root is neither used nor free.
  const auto used = static_cast<double>(info.f_blocks - info.f_bfree);
  const auto free = static_cast<double>(info.f_bavail);
  if (used + free <= 0) return std::nullopt;
  return DiskSpace{used / (used + free), std::uint64_t{info.f_bavail} * info.f_frsize};
}

}  // namespace sigillo::appliance
