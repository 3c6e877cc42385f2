// Assembly: the appliance put together from a configuration: module, login, keys, store, anchor, service.
// What sigillod and the officers' commands share. It owns all of it and takes it down in the right order.
// Thread rule: open() and the destructor on one thread; service() from any.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <appliance/config.hpp>
#include <appliance/officers.hpp>
#include <appliance/service.hpp>
#include <base/clock.hpp>
#include <base/result.hpp>
#include <hsm/ceremony_token.hpp>
#include <hsm/evp_key.hpp>
#include <sealed_store/values.hpp>

namespace sigillo::appliance {

enum class Errc : std::uint16_t {
  pin_file = 401,        // the token PIN's file is missing, empty, or readable by others
  clock = 402,           // the clock is behind the ledger
  policy = 403,          // a configuration that the appliance refuses
  channel = 404,         // two couriers of one identity or owner, or a malformed channel
  shape = 405,           // a sealed record that does not decode
  standing = 420,        // the appliance is not sealed, or not held for that reason
  officers = 421,        // fewer than two officers, two of one name or key, or a malformed one
  key_register = 440,    // the token's list of keys and their states does not hold
  key_state = 441,       // not what can be done with a key in this state
  key_backup = 442,      // a backup, its wrapping key or its proof does not hold
  certificate = 443,     // OpenSSL did not make or take a key, a request or a certificate
  backup = 450,          // a backup of the store, or its manifest, does not hold
  backup_version = 451,  // made by a later version
};

// The keys of the design, by label: index, verifier, store, receipt, ledger, tls (P-256), ca (P-384).
struct KeyLabels {
  static constexpr const char* index = "sigillo.index";
  static constexpr const char* verifier = "sigillo.verifier";
  static constexpr const char* store = "sigillo.store";
  static constexpr const char* receipt = "sigillo.receipt";
  static constexpr const char* ledger = "sigillo.ledger";
  static constexpr const char* tls = "sigillo.tls";
  static constexpr const char* ca = "sigillo.ca";
};
// Version 1 of each, active at once: for a development appliance. The ceremony has key_backup.hpp.
base::Result<void> create_keys(hsm::Token& token, base::Instant now = {});

// Reads a token PIN from a file that only its owner can read; never from an argument or the environment,
// which other processes can read. A service manager may give a credential to its unit's user by an access
// list, whose mask then stands where the group's bits do (0440), in a folder that nobody else can enter.
enum class PinFile : std::uint8_t { owners, credential };
base::Result<base::Secret> read_pin_file(const std::string& path, PinFile kind = PinFile::owners);

// Opens the configured module and token (sets SOFTHSM2_CONF where the configuration names one), with the PIN
// of the configured file, or with this one. Errc::credential is final: the PIN must not be tried again, for a
// token counts wrong tries and locks.
base::Result<std::unique_ptr<hsm::Token>> open_token(const HsmConfig& config);
base::Result<std::unique_ptr<hsm::Token>> open_token(const HsmConfig& config, const base::Secret& pin);
// The same, for what is done to a token and not by a server: keys made, backed up, restored.
base::Result<std::unique_ptr<hsm::CeremonyToken>> open_ceremony_token(const HsmConfig& config,
                                                                      const base::Secret& pin);
// Of the configured module, before it is loaded: that nobody but root can exchange it. Errc::module_load.
base::Result<void> check_module_owner(const HsmConfig& config);

// A new store under the token's keys, with these channels and officers enrolled, and its first anchor.
// Errc::channel where one public key or one declared owner could open both halves; Errc::officers where they
// are fewer than two people.
base::Result<void> found_store(const Config& config, hsm::Token& token, const std::vector<Channel>& channels,
                               const Officers& officers, const base::Clock& clock);

// The page key of the configured store, for reading its ledger beside a running appliance (audit export).
base::Result<base::Secret> derive_page_key(hsm::Token& token, const std::string& path);
// The ledger's head as the HSM has it; rolled_back where none was ever recorded. It only reads, so it may run
// beside the appliance; what it gives is durable in the store by then.
base::Result<std::optional<sealed_store::Head>> recorded_head(hsm::Token& token, const StoreConfig& config);

class Assembly {
 public:
  static base::Result<std::unique_ptr<Assembly>> open(const Config& config, const base::Secret& pin,
                                                      const base::Clock& clock);
  // A store that no HSM vouches for yet, for a restore: read and written against itself alone, with nothing
  // running in it, and served by nobody. The token's anchor is not touched.
  static base::Result<std::unique_ptr<Assembly>> open_candidate(const Config& config, const base::Secret& pin,
                                                                const base::Clock& clock);
  ~Assembly();

  Service& service();
  struct Parts;  // appliance/src/parts.hpp, for officers' actions
  Parts& parts() { return *parts_; }

 private:
  explicit Assembly(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace sigillo::appliance
