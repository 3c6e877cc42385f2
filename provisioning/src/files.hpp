// Making files and folders with the mode they are to have from the first byte on.
// Thread rule: pure functions, blocking. Errors: Errc::file, raw is errno.
#pragma once

#include <filesystem>
#include <string>

#include <sys/types.h>

#include <base/bytes.hpp>
#include <base/result.hpp>
#include <base/secret.hpp>

namespace sigillo::provisioning {

// A file that is not there yet; never one that is written over, never through a link.
base::Result<void> write_new_file(const std::filesystem::path& path, base::ByteView content, mode_t mode);
// A file that is no secret's, at most that long.
base::Result<std::string> read_small_file(const std::filesystem::path& path, std::size_t bytes_max);
// A secret's file: readable by its owner alone, 1 to 1,024 bytes; the line's end is none of it.
base::Result<base::Secret> read_secret_file(const std::filesystem::path& path);
// Replaces a file whole, or not at all.
base::Result<void> replace_file(const std::filesystem::path& path, base::ByteView content, mode_t mode);
base::Result<void> make_folder(const std::filesystem::path& path, mode_t mode);

}  // namespace sigillo::provisioning
