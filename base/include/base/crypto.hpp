// The few primitives that run in the process and not in the HSM: SHA-256, HMAC-SHA256 under a derived key in
// locked memory, HKDF, AES-256-GCM. All are OpenSSL's; this header gives them types. A failure inside OpenSSL
// here is lack of memory or a broken build, and ends the process, except where tampering is what failed.
// Thread rule: pure functions.
#pragma once

#include <initializer_list>
#include <optional>

#include <base/bytes.hpp>
#include <base/secret.hpp>

namespace sigillo::base {

using Digest = ByteArray<32>;

Digest sha256(std::initializer_list<ByteView> parts);                              // FIPS 180-4
Digest hmac_sha256(const Secret& key, std::initializer_list<ByteView> parts);      // FIPS 198-1
Secret hkdf_sha256(ByteView key, ByteView salt, ByteView info, std::size_t size);  // RFC 5869
Secret pbkdf2_sha256(const Secret& password, ByteView salt, unsigned iterations,
                     std::size_t size);  // RFC 8018

// AES-256-GCM (SP 800-38D), 32-byte key, random 12-byte nonce from OpenSSL's DRBG, 16-byte tag.
// Shape: nonce || ciphertext || tag.
Bytes aead_seal(const Secret& key, ByteView associated_data, ByteView plaintext);
// Nothing where the tag does not hold or the shape is wrong.
std::optional<Secret> aead_open(const Secret& key, ByteView associated_data, ByteView sealed);

void random_bytes(std::span<Byte> out);  // OpenSSL's DRBG: nonces and identifiers; secrets come from the HSM

}  // namespace sigillo::base
