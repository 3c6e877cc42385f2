// CeremonyToken: what the ceremony asks of a token beyond what the appliance does: keys that leave it once,
// wrapped, before they are ever used. A key is made *open* (extractable) under a name that nothing finds for
// use, wrapped for the backup, and unwrapped from it as the closed key (not extractable) that is used from
// then on; then the open one is destroyed. That way round because modules refuse to wrap a key that was
// closed (SoftHSM2: 0x6a), and because what is used is then what is in the backup, proven each time. The
// server is given a Token and can do none of this. Implementations: Pkcs11Token, FakeToken. Thread rule: one
// thread; a ceremony is nobody's hot path.
#pragma once

#include <hsm/token.hpp>

namespace sigillo::hsm {

inline constexpr std::size_t kCheckValueBytes = 8;
inline constexpr std::size_t kWrappingKeyBytes = 32;  // AES-256

// A key outside its token, sealed: as much of it as may be read by anybody.
struct WrappedKey {
  KeyId id;
  KeyType type = KeyType::hmac_sha256;
  base::Bytes wrapped;      // CKM_AES_KEY_WRAP_PAD (RFC 5649) of the 32 bytes, or of a PKCS #8 PrivateKeyInfo
  base::Bytes point;        // the public half, SEC 1 uncompressed; empty for a MAC key
  base::Bytes check_value;  // as check_value() below gives it
};

class CeremonyToken : public Token {
 public:
  // As generate_key, but open. Errc::already_exists where an open or a closed key of the name is there.
  virtual base::Result<void> generate_open_key(const KeyId& id, KeyType type) = 0;
  // Wraps an open key under `wrapping_key` (32 bytes, which is in the token as a session object meanwhile),
  // as often as it is asked for.
  virtual base::Result<WrappedKey> wrap_open_key(const KeyId& id, const base::Secret& wrapping_key) = 0;
  // Makes the closed key out of what was wrapped, and refuses one whose check value is another
  // (Errc::bad_attributes; nothing is left of it). Errc::already_exists where the closed key is there.
  virtual base::Result<KeyRef> unwrap_key(const WrappedKey& key, const base::Secret& wrapping_key) = 0;
  virtual base::Result<void> destroy_open_key(const KeyId& id) = 0;
};

// The name under which an open key stands until it is closed.
inline KeyId open_name(const KeyId& id) {
  return {id.label + ".open", id.version};
}

// What tells a key from another without telling the key: for HMAC the first 8 bytes of HMAC over
// "sigillo/kcv/v1", for EC those of SHA-256 over the public point (uncompressed). Eight bytes, because three,
// as is usual, can be met by trying 2^24 keys. CKA_CHECK_VALUE is not used: after unwrapping it is empty
// (SoftHSM2), and for HMAC keys modules do not agree.
inline constexpr std::string_view kCheckText = "sigillo/kcv/v1";
base::Bytes check_value_of(const base::Digest& mac_or_point_digest);
base::Result<base::Bytes> check_value(Token& token, KeyRef key, KeyType type);

}  // namespace sigillo::hsm
