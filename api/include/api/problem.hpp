// Problem: a refusal as the caller sees it (RFC 9457). Every code that the API can answer is in one table
// with its status and its words; the words are literals, so nothing of the inside, no PIN and no subject can
// get into one. The only text that comes from the request is `pointer`, the place in the request's own body
// (RFC 6901). Thread rule: values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <appliance/operations.hpp>
#include <appliance/service.hpp>

namespace sigillo::api {

enum class Code : std::uint8_t {
  invalid_request,
  header_too_large,
  not_found,
  method_not_allowed,
  role_not_permitted,
  channel_unknown,
  channel_suspended,
  channel_revoked,
  unsupported_media_type,
  body_too_large,
  idempotency_key_required,
  idempotency_key_reused,
  idempotency_key_in_use,
  secret_no_longer_available,
  quota_exceeded,
  invalid_subject,
  invalid_pin_format,
  invalid_contact,
  invalid_health_card,
  invalid_evidence,
  two_contacts_required,
  delivery_not_possible,
  credential_exists,
  branch_required,
  not_provisional,
  delivery_limit,
  already_dispositive,
  already_decided,
  four_eyes,
  no_credential,
  contact_exists,
  overloaded,
  hsm_unavailable,
  not_anchored,  // as hsm_unavailable, to the client: one code, another detail
  store_unavailable,
  audit_unavailable,
  sealed
};

struct CodeWords {
  std::uint16_t status;
  std::string_view code;    // the last part of `type`
  std::string_view title;   // the same for every occurrence
  std::string_view detail;  // what to do about it
};
const CodeWords& words(Code code);

struct Problem {
  Code code = Code::invalid_request;
  std::optional<std::string> pointer;  // of body faults; "" is the whole document
  std::string_view detail = {};        // a literal; empty: the code's own
  std::optional<std::uint32_t> retry_after_s = {};
  std::string allow = {};  // of 405: the methods that the path has

  std::uint16_t status() const { return words(code).status; }
};

Code code_of(appliance::Refusal refusal);
Code code_of(appliance::Outage outage);
Problem problem_of(appliance::Outage outage);  // with its Retry-After

}  // namespace sigillo::api
