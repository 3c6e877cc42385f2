// Disk: how full the file system of a file is. Thread rule: pure but for the file system that it asks.
#pragma once

#include <optional>
#include <string>

namespace sigillo::appliance {

// 0 to 1, of what an ordinary process may use; nothing where the file system does not say.
std::optional<double> disk_used(const std::string& file);
inline constexpr double kDiskNearlyFull = 0.8;

}  // namespace sigillo::appliance
