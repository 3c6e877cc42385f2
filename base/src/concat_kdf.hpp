// The key derivation of ECDH-ES (RFC 7518 section 4.6.2), apart so that the RFC's own example can be asked of
// it. Thread rule: a pure function.
#pragma once

#include <string_view>

#include <base/secret.hpp>

namespace sigillo::base {

// Concat KDF (SP 800-56A section 5.8.1) with SHA-256. `size`: 1 to 32 bytes, the algorithm's key.
Secret concat_kdf(const Secret& shared, std::string_view algorithm, ByteView party_u, ByteView party_v,
                  std::size_t size);

}  // namespace sigillo::base
