// Keys as objects of the token: how they are found, what their attributes must be, how they are made and
// destroyed. Thread rule: as objects.hpp.
#pragma once

#include "objects.hpp"

namespace sigillo::hsm {

// A private or secret key of the name, whose attributes were checked. Errc::no_such_key, bad_attributes.
struct KeyObject {
  CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
  KeyType type = KeyType::hmac_sha256;
};
base::Result<KeyObject> find_key_object(Lease& lease, const KeyId& id);
// Whether a key can be wrapped and taken away: in the ceremony alone, and under a name of its own.
enum class Closing : std::uint8_t { closed, open };
base::Result<KeyObject> find_open_key_object(Lease& lease, const KeyId& id);

// All secret and private keys whose label starts with "sigillo.", attributes not checked, sorted; one that is
// of no type of ours is left out.
base::Result<std::vector<KeyInfo>> list_key_objects(Lease& lease);

base::Result<void> generate_key_objects(Lease& lease, const KeyId& id, KeyType type,
                                        Closing closing = Closing::closed);
// For C_UnwrapKey, and for the public half that is made beside what was unwrapped.
Template closed_key_template(const KeyId& id, KeyType type);
Template public_key_template(const KeyId& id, KeyType type, base::ByteView point);
// All objects of the name, public ones too. Errc::no_such_key where there was none.
base::Result<void> destroy_key_objects(Lease& lease, const KeyId& id);

// The public half as 0x04 || x || y, proved by a signature of the private one.
base::Result<base::Bytes> read_public_key(Lease& lease, const KeyId& id, const KeyObject& key);

// HMAC-SHA256 and ECDSA by one C_SignInit and one C_Sign.
base::Result<void> sign_with(Lease& lease, CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE mechanism,
                             base::ByteView input, std::span<base::Byte> out);
base::Result<base::Bytes> ecdsa(Lease& lease, const KeyObject& key, base::ByteView digest);

// A pair in the token or, with a blank name, in the session. First the public key, then the private one.
base::Result<std::pair<CK_OBJECT_HANDLE, CK_OBJECT_HANDLE>> generate_pair(Lease& lease, const KeyId* id,
                                                                          KeyType type,
                                                                          Closing closing = Closing::closed);
base::Result<base::Bytes> read_point(Lease& lease, CK_OBJECT_HANDLE object, KeyType type);

}  // namespace sigillo::hsm
