// Verifier: the one choke point where anything secret that a citizen shows is compared: PINs, link tokens,
// health cards, contacts. Each comparison takes a ChargedAttempt away, so that none can be written that was
// not paid for; the HSM computes the candidate's MAC (verifier key), the comparison is constant-time, and
// where there is nothing to compare with, a dummy gives the same work: HSM calls depend on the length of what
// was shown alone, and the stretch on the store: it is the most that any of its verifiers may have.
//   mac = HMAC(K_verifier[version], "sigillo/pin/v1" || role || subject || generation || salt ||
//   stretch(secret))
// Thread rule: any thread; owned by the engine.
#pragma once

#include <algorithm>

#include <appliance/lifecycle.hpp>
#include <appliance/pin.hpp>
#include <hsm/dispatcher.hpp>

#include "key_ring.hpp"

namespace sigillo::appliance {

enum class SecretRole : std::uint8_t {
  first_half = 1,
  second_half = 2,
  definitive = 3,
  token = 4,
  health_card = 5
};

// What an attempt came to: the comparison ran, or it did not and the attempt is there to be refunded.
struct Evaluated {
  sealed_store::ChargedAttempt attempt;
  bool match;
};
struct NotEvaluated {
  sealed_store::ChargedAttempt attempt;
  base::Error cause;
};
using Evaluation = std::variant<Evaluated, NotEvaluated>;

class Verifier {
 public:
  // The ring's verifier keys may be asked for; the active one makes new verifiers.
  Verifier(hsm::Dispatcher& dispatcher, const KeyRing& ring, std::uint32_t iterations);
  // Verifiers of the store may be stretched as much as that. Before the first comparison.
  void expect_stretch(std::uint32_t iterations) { most_ = std::max(most_, iterations); }

  // `subject` and `record` name what is compared; `against` comes from lifecycle::against.
  base::Task<Evaluation> pin(sealed_store::ChargedAttempt attempt, SubjectIndex subject,
                             const SubjectRecord& record, lifecycle::Against against, const Pin& pin) const;
  // One secret against one verifier, or against a dummy where there is none: link tokens and health cards.
  base::Task<Evaluation> secret(sealed_store::ChargedAttempt attempt, SecretRole role, Id owner,
                                const PinVerifier* stored, const base::Secret& shown) const;
  // Contacts: every one given must equal its registered one; `registered` has an empty text where none
  // counts.
  struct ContactPair {
    std::string given, registered;
  };
  Evaluated contacts(sealed_store::ChargedAttempt attempt, const std::vector<ContactPair>& pairs) const;

  // Made under a key, or with a stretch, that new verifiers no longer have.
  bool outdated(const PinVerifier& verifier) const;
  base::Task<base::Result<PinVerifier>> make(SecretRole role, Id owner, std::uint32_t generation,
                                             base::ByteView secret) const;

 private:
  base::Task<base::Result<base::Digest>> mac(SecretRole role, const Id& owner, std::uint32_t generation,
                                             const PinVerifier& stored, base::ByteView secret) const;
  hsm::Dispatcher& dispatcher_;
  const KeyRing& ring_;
  std::uint32_t iterations_;  // of those that it makes
  std::uint32_t most_;        // of those that it compares
  PinVerifier dummy_;         // of a random MAC: matches nothing
};

// A health card as the bytes that its verifier is over.
base::Secret health_card_secret(const HealthCard& card);

}  // namespace sigillo::appliance
