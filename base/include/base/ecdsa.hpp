// ECDSA on P-256 with SHA-256 outside the HSM: checking a signature, and its two encodings. Signing is the
// HSM's. Thread rule: pure functions.
#pragma once

#include <base/crypto.hpp>
#include <base/jwe.hpp>

namespace sigillo::base {

// r || s (64 bytes) as an ECDSA-Sig-Value (RFC 3279 section 2.2.3); empty where the size is another.
Bytes ecdsa_der(ByteView raw);
// Over the digest of the message; `der` is an ECDSA-Sig-Value.
bool ecdsa_verify(const EcPublicKey& key, const Digest& digest, ByteView der);

}  // namespace sigillo::base
