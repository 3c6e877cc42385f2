// The person at the terminal: asked for what no file and no argument may hold. /dev/tty and not standard
// input, so that a pipe answers nothing; the echo is off while a secret is typed and back on however it ends.
// Thread rule: one thread.
#pragma once

#include <string>

#include <base/result.hpp>
#include <base/secret.hpp>

namespace sigillo::provisioning {

// One line, into locked memory. Errc::terminal where there is no terminal, or the line was ended by ^D.
base::Result<base::Secret> ask_secret(const std::string& prompt);

}  // namespace sigillo::provisioning
