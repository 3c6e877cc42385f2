// Whether what was written, made or renamed is on the disk. Thread rule: any thread.
#pragma once

#include <filesystem>

namespace sigillo::base {

// False: errno says why.
[[nodiscard]] bool sync_file(const std::filesystem::path& file);
[[nodiscard]] bool sync_folder(const std::filesystem::path& folder);  // empty: where we are

}  // namespace sigillo::base
