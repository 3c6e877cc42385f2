// Refusal: a rule's no, by the API's error codes of the same names, where no other stands beside. Thread
// rule: values.
#pragma once

#include <cstdint>

namespace sigillo::appliance {

enum class Refusal : std::uint8_t {
  credential_exists,           // 409
  branch_required,             // 409
  not_provisional,             // 409
  delivery_limit,              // 429
  deferred_limit,              // 429 quota-exceeded
  already_dispositive,         // 409
  already_decided,             // 409
  four_eyes,                   // 403
  no_credential,               // 409
  contact_exists,              // 409
  not_found,                   // 404
  two_contacts_required,       // 422
  delivery_not_possible,       // 422
  invalid_subject,             // 422
  invalid_contact,             // 422
  invalid_evidence,            // 422
  invalid_health_card,         // 422
  idempotency_key_reused,      // 422
  idempotency_key_in_use,      // 409
  secret_no_longer_available,  // 409
};

}  // namespace sigillo::appliance
