// Disk: how much room the file system of a file has. Thread rule: pure but for the file system that it asks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sigillo::appliance {

struct DiskSpace {
  double used = 0;         // 0 to 1, of what an ordinary process may use
  std::uint64_t free = 0;  // bytes, for an ordinary process
};
// Nothing where the file system does not say.
std::optional<DiskSpace> disk_space(const std::string& file);
inline constexpr double kDiskNearlyFull = 0.8;
// With less no group of commits is sure to find room in the WAL.
inline constexpr std::uint64_t kDiskFull = std::uint64_t{4} << 20;

}  // namespace sigillo::appliance
