// SHA-256 of a file that is larger than memory should be. Thread rule: pure but for the file that it reads.
// Never: of a database that this process has open: closing any descriptor of a file lets go all of the
// process's locks on it (POSIX), SQLite's too.
#pragma once

#include <filesystem>
#include <functional>

#include <base/crypto.hpp>
#include <base/pending_file.hpp>

namespace sigillo::base {

struct FileDigest {
  std::uint64_t bytes = 0;
  Digest sha256{};
};

// A regular file. `read` is told how many bytes are through; false ends it with FileErrc::failed. raw is
// errno, ENOENT where there is no such file.
Result<FileDigest> digest_of_file(const std::filesystem::path& path,
                                  const std::function<bool(std::uint64_t)>& read = {});

}  // namespace sigillo::base
