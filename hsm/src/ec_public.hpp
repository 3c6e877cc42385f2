// EC public keys outside the token: points, curves, and verifying what a token signed. P-256 and P-384 (FIPS
// 186-5). Thread rule: pure functions.
#pragma once

#include <hsm/evp_key.hpp>

namespace sigillo::hsm {

// Bytes of a coordinate, which are also those of the digest that is signed with the curve; 0 for what is no
// EC key.
std::size_t coordinate_bytes(KeyType type);
// DER of the curve's object identifier: CKA_EC_PARAMS.
base::ByteView curve_oid(KeyType type);

// A point 0x04 || x || y, as an OpenSSL public key; refused where it is not on the curve.
// Errc::bad_attributes.
base::Result<EvpKey> public_evp(KeyType type, base::ByteView point);
// Whether r || s is a signature of the digest. The digest is as long as a coordinate.
bool verify(KeyType type, base::ByteView point, base::ByteView digest, base::ByteView signature);

// r || s to SEQUENCE { r, s } (RFC 3279, 2.2.3), and back (nothing where it is not one).
base::Bytes signature_to_der(base::ByteView signature);
std::optional<base::Bytes> signature_from_der(base::ByteView der, std::size_t coordinate);

}  // namespace sigillo::hsm
