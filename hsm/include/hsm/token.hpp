// Token: the port to a PKCS#11 token (OASIS PKCS#11 2.40 / 3.0), and all that the appliance asks of one:
// random, HMAC-SHA256, key derivation by it, ECDSA, data objects, and key management for the ceremony. No CK_
// type leaves hsm/. Calls block; they are made on the HSM's own workers (dispatcher.hpp) or by a command,
// never on an I/O thread. Implementations: Pkcs11Token (production), FakeToken (tests); tests/hsm/contract
// proves that they are alike. Thread rule: every function from any thread; each call borrows one of a bounded
// number of sessions. Never: a key value leaves the token, a call is retried whose effect is unknown.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <base/bytes.hpp>
#include <base/clock.hpp>
#include <base/crypto.hpp>
#include <base/result.hpp>
#include <base/secret.hpp>

namespace sigillo::hsm {

enum class Errc : std::uint16_t {
  unavailable = 201,     // device, token or session gone, or the deadline passed: a 503, nothing was learnt
  deadline = 202,        // the call did not come back in time; what it returns later is wiped
  credential = 203,      // wrong token PIN, or the token would lock at the next one: an operator is needed
  no_such_key = 204,     // label and version not on the token
  bad_attributes = 205,  // a key that is extractable, not sensitive, or of two uses: refused
  already_exists = 206,  // key or token of that label
  caller_fault = 207,    // arguments the module refused: a bug here, or a module outside its profile
  module_load = 208,     // path not absolute, not loadable, not a PKCS#11 module
  no_such_token = 209,   // no token of that label (and serial number)
  self_test = 210,       // a known answer was not given
};

// "CKR_PIN_LOCKED": of the raw code of an error of this module; nullptr where it has none of the standard's.
const char* rv_name(const base::Error& error);

enum class KeyType : std::uint8_t { hmac_sha256, ec_p256, ec_p384 };

// A key on the token. kid() is its public name: "<label>-v<version>".
struct KeyId {
  std::string label;          // CKA_LABEL: "sigillo.verifier"
  std::uint16_t version = 1;  // CKA_ID, two bytes, big-endian
  std::string kid() const { return label + "-v" + std::to_string(version); }
  auto operator<=>(const KeyId&) const = default;
};

struct KeyInfo {
  KeyId id;
  KeyType type;
};

// A key looked up once and used often: an index into the token's table. It outlives re-login and re-loading:
// the object handle behind it is looked up anew in each session generation.
class KeyRef {
 public:
  KeyRef() = default;
  explicit KeyRef(std::uint32_t slot) : slot_(slot) {}
  std::uint32_t slot() const { return slot_; }

 private:
  std::uint32_t slot_ = 0;
};

// Whether the token can be asked just now. It is known without asking it.
enum class TokenState : std::uint8_t {
  up,
  away,     // device, token or login gone; it is looked for, and calls fail at once
  refused,  // the token refused its PIN, or would lock at the next wrong one: an operator is needed
};

using DataHandle = std::uint64_t;
struct DataObject {
  DataHandle handle;
  base::Bytes value;
};

class Token {
 public:
  virtual ~Token() = default;

  // C_GenerateRandom: fills `out` (at most 1,024 bytes).
  virtual base::Result<void> random(std::span<base::Byte> out) = 0;
  // CKM_SHA256_HMAC, 32 bytes, one C_SignInit + C_Sign. `message` at most 4 KiB.
  virtual base::Result<base::Digest> hmac(KeyRef key, base::ByteView message) = 0;
  // CKM_ECDSA over an already hashed message (32 bytes P-256, 48 bytes P-384); r || s, 64 or 96 bytes.
  virtual base::Result<base::Bytes> sign(KeyRef key, base::ByteView digest) = 0;
  // SEC 1 uncompressed point: 0x04 || x || y.
  virtual base::Result<base::Bytes> public_key(KeyRef key) = 0;

  // The newest version of a label, or the one asked for. Checks the attributes: CKA_SENSITIVE, not
  // CKA_EXTRACTABLE, CKA_SIGN and nothing else, so that no key does a second thing or leaves; an absent
  // attribute is tolerated, a wrong one is not.
  virtual base::Result<KeyRef> find_key(const KeyId& id) = 0;
  virtual base::Result<std::vector<KeyInfo>> list_keys() = 0;  // ours: labels that start with "sigillo."
  // CKA_TOKEN, CKA_PRIVATE, CKA_SENSITIVE, not CKA_EXTRACTABLE, one use. Refused where it exists.
  virtual base::Result<KeyRef> generate_key(const KeyId& id, KeyType type) = 0;
  virtual base::Result<void> destroy_key(const KeyId& id) = 0;

  // Private CKO_DATA objects of a label. A fixed one (create_data) never changes: replace by creating the new
  // one first (SoftHSM2 refuses C_SetAttributeValue on CKA_VALUE). List gives all of a label, fixed and
  // rewritable ones, but no rewritable one that is just being rewritten by another process. Destroy takes
  // either kind.
  virtual base::Result<DataHandle> create_data(const std::string& label, base::ByteView value) = 0;
  virtual base::Result<std::vector<DataObject>> list_data(const std::string& label) = 0;
  virtual base::Result<void> destroy_data(DataHandle handle) = 0;
  // As list_data, and complete, whoever made the objects: the module is loaded anew first where this process
  // has made or destroyed objects since. SoftHSM2 takes over another process's change of the token unseen
  // where it changes the token itself, and then shows no list of what the other made.
  virtual base::Result<std::vector<DataObject>> list_data_anew(const std::string& label) = 0;

  // A data object that is changed in place: with SoftHSM2 one rewrite of one file, a third of what a
  // replacement takes. Its value, up to 128 bytes, stands in CKA_LABEL. A kill in the middle of a rewrite may
  // lose the object (SoftHSM2 truncates the file, then writes it; an empty one is listed no more): who needs
  // the value keeps two.
  virtual base::Result<DataHandle> create_rewritable_data(const std::string& label, base::ByteView value) = 0;
  // One call, C_SetAttributeValue. Errc::caller_fault: the module refuses, or the object is a fixed one;
  // nothing was changed. Errc::no_such_key: the object is gone (to SoftHSM2 also while another process is in
  // the middle of rewriting it), or the handle is of an earlier login, and nothing was changed. It is
  // deliberately not looked up again: who lost a login must look anew (list_data) before it writes. Attack:
  // (1) a virtual machine is put back with its memory. (2) Its connection to the HSM breaks, and is made
  // again. (3) It goes on writing over what was written since. After any other error nobody knows whether it
  // happened.
  virtual base::Result<void> rewrite_data(DataHandle handle, base::ByteView value) = 0;
  // The value of either kind, asked of the object itself and not of a list: one call, C_GetAttributeValue.
  // Errc::no_such_key as above.
  virtual base::Result<base::Bytes> read_data(DataHandle handle) = 0;

  // Known answers on every mechanism used, with a session key of a known value (RFC 4231 case 2; ECDSA by
  // verifying what was signed), random (not constant, not zero), and a data object written, read and
  // destroyed.
  virtual base::Result<void> self_test() = 0;

  virtual TokenState state() const { return TokenState::up; }
  // How often it was logged in since it was opened, the first time and those of list_data_anew included: what
  // else makes it grow is a device, a login or sessions that get lost.
  virtual std::uint64_t logins() const { return 1; }
  // How long a call has not come back that keeps the token from being brought back, or others from a session.
  // Beyond every deadline nothing but a new process gets out of that. 0: none does.
  virtual base::Duration blocked_for() const { return {}; }
  // Sessions that work in parallel at most: the bound of the pool.
  virtual std::size_t parallelism() const = 0;
};

// SP 800-108r1 section 4.1, counter mode, PRF HMAC-SHA256 in the token: [i]_32 || label || 0x00 || context ||
// [L]_32. `bytes` at most 64. The result is a key for use outside the token, in locked memory.
base::Result<base::Secret> derive(Token& token, KeyRef key, std::string_view label, base::ByteView context,
                                  std::size_t bytes);

}  // namespace sigillo::hsm
