// A share as its custodian sees it, once: a QR code (ISO/IEC 18004) in half blocks with the four rows beside
// it, on paper of 80 columns and 24 lines. Thread rule: pure functions.
#pragma once

#include <string>

#include <base/shares.hpp>

namespace sigillo::provisioning {

// `heading`: lines above it.
base::Secret share_screen(const base::Share& share, const std::string& heading);

}  // namespace sigillo::provisioning
