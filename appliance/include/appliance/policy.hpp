// Policy: every number of the rules (docs/OPERATIONS.md, Policy), as one immutable value. Two profiles; a
// configuration may tighten each value, and loosen none below the profile's floor unless it is a development
// appliance. 0 never means unlimited. Thread rule: immutable after start.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <base/clock.hpp>
#include <base/result.hpp>

namespace sigillo::appliance {

enum class Language : std::uint8_t { it, de, en };
enum class ElectronicHalf : std::uint8_t { at_request, on_demand };

struct CredentialPolicy {
  base::Duration provisional_validity, definitive_validity;
};
struct GuessPolicy {
  std::uint32_t limit, delay_from;  // delay_from above limit: no delays (development only)
  base::Duration delay_first, delay_max;
};
struct HalvesPolicy {
  std::uint32_t letters_per_day, letters_per_30d, electronic_per_day;
};
struct DeliveryPolicy {
  base::Duration lease;
  std::uint32_t attempts;
  ElectronicHalf electronic_half;
  base::Duration sms_validity, email_validity;  // on demand only: how long an electronic half opens anything
};
struct RecoveryPolicy {
  base::Duration link_validity, window;
  std::uint32_t limit;
  bool keeps_level;
};
struct VerifierPolicy {
  std::uint32_t pbkdf2_iterations;  // 0: no stretch; the PIN is uniformly random and the key stays in the HSM
};

struct Policy {
  CredentialPolicy credential;
  GuessPolicy guess;
  base::Duration contacts_quarantine;
  HalvesPolicy halves;
  DeliveryPolicy delivery;
  Language language;
  RecoveryPolicy recovery;
  VerifierPolicy verifier;

  static Policy inps();
  static Policy strict();
};

}  // namespace sigillo::appliance
