// Rotation: a use's next key takes over, in the token's register first and in the ring then, so that a kill
// between the two is healed by the next start. What was made under older keys stays readable until they are
// retired; retiring waits for the operations that began before. What each rotation means for what is stored
// is said in docs/KEYS.md. Thread rule: one rotation at a time (acts are), beside a serving appliance.
#pragma once

#include <functional>
#include <map>

#include "context.hpp"

namespace sigillo::appliance {

// What a rotation works on; parts of the assembly.
struct KeyWork {
  hsm::Token& token;
  KeyRegister& registered;
  KeyRing& ring;
  const Config& config;
};

// The backed-up key that is newer than the active one; on a development appliance it is made here.
// Errc::key_state where there is none: the ceremony makes keys and not the server.
base::Result<KeyEntry> next_key(KeyWork work, const KeyUse& use, base::Instant now);
// Verifier, receipt, ledger: the next key in use, durable and for every operation that begins from now on.
base::Result<void> switch_to(KeyWork work, const KeyEntry& next, base::Instant now);
// A new record key under the active store key, in use; what is sealed under older ones is resealed by
// Resealer.
base::Result<RecordKeyEntry> switch_record_key(KeyWork work, base::Instant now);

// Records under each record key, and secrets (PINs, halves, health cards, links) under each verifier key.
struct KeyCounts {
  std::map<std::uint16_t, std::uint64_t> records, verifiers;
  std::uint64_t total = 0;
  std::vector<base::Instant> kept;  // when each stored answer was kept
  std::uint64_t kept_before(base::Instant when) const;
};
using CountProgress = std::function<void(std::uint64_t done)>;
using Stopping = std::function<bool()>;
// Reads every record. Errc::key_state where it was stopped.
base::Result<KeyCounts> count_records(const Context& context, const CountProgress& progress,
                                      const Stopping& stopping);

// Takes a key out of use for good and destroys it on the token. Refused (Errc::key_state) for one that is
// active; the caller has counted. A record key is only left out of the register.
base::Result<void> destroy_key(KeyWork work, const hsm::KeyId& id, base::Instant now);
base::Result<void> drop_record_key(KeyWork work, std::uint16_t id, base::Instant now);

struct ActionCall;
KeyWork work_of(ActionCall& call);

// The register as JSON beside the store, for `keys restore`: what a token that is lost takes with it. False
// where it could not be written.
bool write_register_copy(const Config& config, const KeyRegister& keys);

}  // namespace sigillo::appliance
