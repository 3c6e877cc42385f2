// Pkcs11Token: the Token port on a real PKCS#11 module, loaded by absolute path. It owns the module
// (C_Initialize to C_Finalize, never dlclose: SoftHSM2's and OpenSSL's destructors crash), one persistent
// logged-in session that keeps the login, and a bounded pool of sessions lent to callers. Also here: what the
// ceremony does to a token before it has a user. Thread rule: as Token. A process opens one module once.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <base/clock.hpp>
#include <base/secret.hpp>
#include <hsm/ceremony_token.hpp>

namespace sigillo::hsm {

struct TokenOptions {
  std::string module;        // absolute path of the PKCS#11 library
  std::string token_label;   // CK_TOKEN_INFO.label without its padding
  std::string token_serial;  // either may be empty: then the other alone must name one token
  std::size_t sessions_max =
      8;  // bound of the pool; the token's own ulMaxRwSessionCount lowers it
          // 1 serialises a module that hangs under parallel calls (p11-kit 0.24's client)
  base::Duration session_wait = base::seconds(2);
  base::Duration canary = base::seconds(20);  // a call on a timer: keeps sessions, finds a device that went
  std::string init_arguments;                 // for C_Initialize, where the module wants some (NSS)
  // Told the PIN that the token said is wrong, before it is wiped: at the opening, and whenever it is logged
  // in anew. From any thread.
  std::function<void(const base::Secret&)> pin_refused;
};

// What the module and the token say of themselves.
struct TokenIdentity {
  std::string library, library_version;                      // CK_INFO
  std::string manufacturer, model, serial, label, firmware;  // CK_TOKEN_INFO
};

// What `sigillo hsm check` tells of a module. Of the mechanisms those that the appliance asks for, and some
// that say what kind of module it is.
struct Mechanism {
  std::string name;
  bool needed = false, there = false;
  std::uint64_t key_min = 0, key_max = 0;
};
struct Quirk {
  std::string what, found;
};
struct ModuleReport {
  TokenIdentity identity;
  std::vector<Mechanism> mechanisms;
  std::vector<Quirk> quirks;
};

class Pkcs11Token final : public CeremonyToken {
 public:
  // Loads, finds the token, logs in as CKU_USER. Errc::credential is final: the caller must not try the PIN
  // again, for a token counts wrong tries and locks.
  static base::Result<std::unique_ptr<Pkcs11Token>> open(const TokenOptions& options,
                                                         const base::Secret& pin);
  ~Pkcs11Token() override;

  base::Result<TokenIdentity> identity();
  base::Result<std::vector<Mechanism>> mechanisms();
  // Tries the module out: it makes data objects of its own and takes them away again, and touches no other
  // object.
  base::Result<ModuleReport> probe();

  base::Result<void> random(std::span<base::Byte> out) override;
  base::Result<base::Digest> hmac(KeyRef key, base::ByteView message) override;
  base::Result<base::Bytes> sign(KeyRef key, base::ByteView digest) override;
  base::Result<base::Bytes> public_key(KeyRef key) override;
  base::Result<KeyRef> find_key(const KeyId& id) override;
  base::Result<std::vector<KeyInfo>> list_keys() override;
  base::Result<KeyRef> generate_key(const KeyId& id, KeyType type) override;
  base::Result<void> destroy_key(const KeyId& id) override;
  base::Result<DataHandle> create_data(const std::string& label, base::ByteView value) override;
  base::Result<std::vector<DataObject>> list_data(const std::string& label) override;
  base::Result<void> destroy_data(DataHandle handle) override;
  base::Result<std::vector<DataObject>> list_data_anew(const std::string& label) override;
  base::Result<DataHandle> create_rewritable_data(const std::string& label, base::ByteView value) override;
  base::Result<void> rewrite_data(DataHandle handle, base::ByteView value) override;
  base::Result<base::Bytes> read_data(DataHandle handle) override;
  base::Result<void> self_test() override;
  TokenState state() const override;
  std::uint64_t logins() const override;
  base::Duration blocked_for() const override;
  std::size_t parallelism() const override;

  base::Result<void> generate_open_key(const KeyId& id, KeyType type) override;
  base::Result<WrappedKey> wrap_open_key(const KeyId& id, const base::Secret& wrapping_key) override;
  base::Result<KeyRef> unwrap_key(const WrappedKey& key, const base::Secret& wrapping_key) override;
  base::Result<void> destroy_open_key(const KeyId& id) override;

 private:
  class Impl;
  explicit Pkcs11Token(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Whether the module's file and its directory are root's: what another user owns it can write, whatever the
// mode says. That no group and not everyone can is asked of every module. Errc::module_load.
base::Result<bool> only_root_writes(const std::string& module);

// C_InitToken and C_InitPIN on the first uninitialised slot: a new token of that label, its SO PIN and its
// user PIN. Errc::already_exists where a token of the label is there.
base::Result<void> initialise_token(const std::string& module, const std::string& label,
                                    const base::Secret& so_pin, const base::Secret& user_pin);

}  // namespace sigillo::hsm
