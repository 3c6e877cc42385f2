// Making files and folders with the mode they are to have from the first byte on.
// Thread rule: pure functions, blocking. Errors: Errc::file, raw is errno.
#pragma once

#include <filesystem>

#include <sys/types.h>

#include <base/bytes.hpp>
#include <base/result.hpp>

namespace sigillo::provisioning {

// A file that is not there yet; never one that is written over, never through a link.
base::Result<void> write_new_file(const std::filesystem::path& path, base::ByteView content, mode_t mode);
base::Result<void> make_folder(const std::filesystem::path& path, mode_t mode);

}  // namespace sigillo::provisioning
