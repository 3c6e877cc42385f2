// The files that a channel is given, and those of its keys. A private key that others can read is not
// private, and is refused. Thread rule: pure functions, blocking.
#pragma once

#include <string>

#include <base/result.hpp>
#include <base/secret.hpp>

namespace sigillo::channels {

// At most 64 KiB of a regular file that only its owner can read or write (no bit of 077): else Errc::file.
// The mode is that of the file that was opened, so it cannot be exchanged in between.
base::Result<base::Secret> read_private_file(const std::string& path);
// A file that is not there yet, of mode 0600 (or `mode`) from its first byte, on the disk when it returns.
base::Result<void> write_new_file(const std::string& path, base::ByteView content, unsigned mode = 0600);

}  // namespace sigillo::channels
