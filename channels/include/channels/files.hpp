// Reading the files that a channel is given. A private key that others can read is not private, and is
// refused. Thread rule: pure functions, blocking.
#pragma once

#include <string>

#include <base/result.hpp>
#include <base/secret.hpp>

namespace sigillo::channels {

// At most 64 KiB of a regular file that only its owner can read or write (no bit of 077): else Errc::file.
// The mode is that of the file that was opened, so it cannot be exchanged in between.
base::Result<base::Secret> read_private_file(const std::string& path);

}  // namespace sigillo::channels
