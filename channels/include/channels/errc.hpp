// The errors of channels/, the side of the API that calls. Numbers are never reused.
// Thread rule: constants.
#pragma once

#include <cstdint>

namespace sigillo::channels {

enum class Errc : std::uint16_t {
  file = 701,         // a file of ours is missing, not what it should be, or readable by others; raw is errno
  unreachable = 702,  // no answer: network, TLS, or not the server that its CA says; raw is the CURLcode
  busy = 703,         // 429 or 503; raw is Retry-After in seconds
  refused = 704,      // any other status that is no success; raw is the status
  malformed = 705,    // an answer that is not of the contract
  stopped = 706,      // the process was told to end
  sink = 707,         // the sink could not take a message; raw is errno
};

}  // namespace sigillo::channels
