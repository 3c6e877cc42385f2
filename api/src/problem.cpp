#include <api/problem.hpp>

#include <cstdlib>

namespace sigillo::api {

const CodeWords& words(Code code) {
  switch (code) {
#define SIGILLO_CODE(name, status, text, title, detail)           \
  case Code::name: {                                              \
    static constexpr CodeWords made{status, text, title, detail}; \
    return made;                                                  \
  }
    SIGILLO_CODE(invalid_request, 400, "invalid-request", "The request is not well formed",
                 "See the API description of this operation.")
    SIGILLO_CODE(header_too_large, 431, "invalid-request", "The request header is too large",
                 "A request header may have 8 KiB.")
    SIGILLO_CODE(not_found, 404, "not-found", "There is nothing here",
                 "The path or the identifier is not known.")
    SIGILLO_CODE(method_not_allowed, 405, "method-not-allowed", "The path does not take this method",
                 "The Allow header lists the methods of this path.")
    SIGILLO_CODE(role_not_permitted, 403, "role-not-permitted", "The channel's role may not do this",
                 "The operation belongs to other roles.")
    SIGILLO_CODE(channel_unknown, 403, "channel-unknown", "The certificate is of no enrolled channel",
                 "It was never enrolled, has ended, or was replaced: security officers enrol or renew it.")
    SIGILLO_CODE(channel_suspended, 403, "channel-suspended", "The channel is suspended",
                 "Two security officers can resume it.")
    SIGILLO_CODE(channel_revoked, 403, "channel-revoked", "The channel is revoked",
                 "For good: two security officers can enrol another name, with new keys.")
    SIGILLO_CODE(unsupported_media_type, 415, "unsupported-media-type", "The body's media type is not taken",
                 "Send application/json, not compressed.")
    SIGILLO_CODE(body_too_large, 413, "invalid-request", "The body is too large",
                 "A request body may have 16 KiB.")
    SIGILLO_CODE(idempotency_key_required, 400, "idempotency-key-required",
                 "The operation needs an Idempotency-Key",
                 "Send an Idempotency-Key of 1 to 64 printable characters, a new one for each new request.")
    SIGILLO_CODE(idempotency_key_reused, 422, "idempotency-key-reused",
                 "The Idempotency-Key was another request's", "Send a new key with a new request.")
    SIGILLO_CODE(idempotency_key_in_use, 409, "idempotency-key-in-use",
                 "The first request with this key still runs", "Repeat the request in a moment.")
    SIGILLO_CODE(secret_no_longer_available, 409, "secret-no-longer-available",
                 "The answer held a secret and is no longer kept",
                 "The operation was done; its secret is not shown again.")
    SIGILLO_CODE(quota_exceeded, 429, "quota-exceeded", "A quota is used up",
                 "Come again after the time in Retry-After.")
    SIGILLO_CODE(invalid_subject, 422, "invalid-subject", "The codice fiscale is not valid",
                 "Its shape, date or check character does not hold.")
    SIGILLO_CODE(invalid_pin_format, 422, "invalid-pin-format", "The PIN is not well formed",
                 "A PIN has 8 or 16 letters and digits, without I, O, 0 and 1. Nothing was charged.")
    SIGILLO_CODE(invalid_contact, 422, "invalid-contact", "A contact is not valid",
                 "Numbers are in E.164 form, addresses complete.")
    SIGILLO_CODE(invalid_health_card, 422, "invalid-health-card", "The health card is not valid",
                 "It has a number of 20 digits and an expiry date, and belongs to a natural person.")
    SIGILLO_CODE(invalid_evidence, 422, "invalid-evidence", "The evidence is not valid",
                 "It names a document that has not expired, and SHA-256 digests in hex.")
    SIGILLO_CODE(two_contacts_required, 422, "two-contacts-required", "At least two contacts are needed",
                 "Give two or three of mobile, email and pec.")
    SIGILLO_CODE(delivery_not_possible, 422, "delivery-not-possible", "The PIN cannot be delivered",
                 "A half has no address to go to, or both would go the same way.")
    SIGILLO_CODE(credential_exists, 409, "credential-exists", "The subject has a live credential",
                 "Recover or revoke it first.")
    SIGILLO_CODE(branch_required, 409, "branch-required", "This takes a branch office",
                 "The subject has to ask at a branch office.")
    SIGILLO_CODE(not_provisional, 409, "not-provisional", "The credential is not provisional",
                 "Only a provisional PIN has halves.")
    SIGILLO_CODE(delivery_limit, 429, "delivery-limit", "No more deliveries for now",
                 "The number of letters or messages for this credential is reached.")
    SIGILLO_CODE(already_dispositive, 409, "already-dispositive", "The credential is dispositive already",
                 "There is nothing to convert.")
    SIGILLO_CODE(already_decided, 409, "already-decided", "The conversion is decided already",
                 "Read it to see the decision.")
    SIGILLO_CODE(four_eyes, 403, "four-eyes", "Another operator must decide",
                 "Who registered the evidence may not decide on it.")
    SIGILLO_CODE(no_credential, 409, "no-credential", "The subject has no credential for this",
                 "None is live or, for a conversion, none has a definitive PIN that may be used.")
    SIGILLO_CODE(contact_exists, 409, "contact-exists", "The contact is there already",
                 "The contact centre may add a missing contact, never replace one.")
    SIGILLO_CODE(overloaded, 503, "overloaded", "Too much at once", "Nothing was done. Come again.")
    SIGILLO_CODE(hsm_unavailable, 503, "hsm-unavailable", "The HSM is away",
                 "Nothing was charged. Come again with the same Idempotency-Key.")
    SIGILLO_CODE(not_anchored, 503, "hsm-unavailable", "The HSM is away",
                 "It may have been done. Come again with the same Idempotency-Key.")
    SIGILLO_CODE(store_unavailable, 503, "store-unavailable", "The store is away",
                 "It may have been done. Come again with the same Idempotency-Key.")
    SIGILLO_CODE(audit_unavailable, 503, "audit-unavailable", "The ledger cannot be written",
                 "It may have been done. Come again with the same Idempotency-Key.")
    SIGILLO_CODE(sealed, 503, "sealed", "The appliance is sealed", "Security officers have to unseal it.")
#undef SIGILLO_CODE
  }
  std::abort();  // not one of the enum: memory is damaged
}

Code code_of(appliance::Refusal refusal) {
  using enum appliance::Refusal;
  switch (refusal) {
    case credential_exists:
      return Code::credential_exists;
    case branch_required:
      return Code::branch_required;
    case not_provisional:
      return Code::not_provisional;
    case delivery_limit:
      return Code::delivery_limit;
    case deferred_limit:
      return Code::quota_exceeded;
    case already_dispositive:
      return Code::already_dispositive;
    case already_decided:
      return Code::already_decided;
    case four_eyes:
      return Code::four_eyes;
    case no_credential:
      return Code::no_credential;
    case contact_exists:
      return Code::contact_exists;
    case not_found:
      return Code::not_found;
    case two_contacts_required:
      return Code::two_contacts_required;
    case delivery_not_possible:
      return Code::delivery_not_possible;
    case invalid_subject:
      return Code::invalid_subject;
    case invalid_contact:
      return Code::invalid_contact;
    case invalid_evidence:
      return Code::invalid_evidence;
    case invalid_health_card:
      return Code::invalid_health_card;
    case idempotency_key_reused:
      return Code::idempotency_key_reused;
    case idempotency_key_in_use:
      return Code::idempotency_key_in_use;
    case secret_no_longer_available:
      return Code::secret_no_longer_available;
  }
  std::abort();
}

Code code_of(appliance::Outage outage) {
  switch (outage) {
    case appliance::Outage::overloaded:
      return Code::overloaded;
    case appliance::Outage::hsm_unavailable:
      return Code::hsm_unavailable;
    case appliance::Outage::not_anchored:
      return Code::not_anchored;
    case appliance::Outage::store_unavailable:
      return Code::store_unavailable;
    case appliance::Outage::audit_unavailable:
      return Code::audit_unavailable;
    case appliance::Outage::sealed:
      return Code::sealed;
  }
  std::abort();
}

Problem problem_of(appliance::Outage outage) {
  // An overload passes in a second; what an officer has to open does not, and need not be asked for as often.
  const std::uint32_t wait_s = outage == appliance::Outage::overloaded ? 1
                               : outage == appliance::Outage::sealed   ? 30
                                                                       : 5;
  return {.code = code_of(outage), .pointer = {}, .retry_after_s = wait_s};
}

}  // namespace sigillo::api
