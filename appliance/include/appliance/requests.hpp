// What a channel asks, one type an operation, validated at the door; the wire forms are api/'s. A member that
// may be absent in the contract is optional here; who may or must give it is decided by role. Secrets (PIN,
// token) are moved in and wiped when the request goes. Thread rule: values.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <appliance/contacts.hpp>
#include <appliance/pin.hpp>
#include <appliance/subject.hpp>

namespace sigillo::appliance {

struct RequestPin {  // POST /v1/credentials
  Subject subject;
  Contacts contacts;
  std::optional<HealthCard> health_card;
  std::optional<Medium> first_half_by;  // sms, email, pec
  std::optional<std::string> operator_name;
  std::optional<Evidence> evidence;
  std::optional<Subject> representative;
};
struct RemakeHalf {  // POST /v1/credentials/{id}/halves
  std::string credential_id;
  Subject subject;
  Half half;  // first or second
  std::optional<std::string> operator_name;
};
struct Verify {  // POST /v1/verifications
  Subject subject;
  Pin pin;
  bool receipt = false;
};
struct Activate {  // POST /v1/activations
  Subject subject;
  Pin pin;
  std::optional<std::string> reply_key;  // public EC P-256 JWK, members kty crv x y only, canonical JSON
};
struct Renew {  // POST /v1/renewals
  Subject subject;
  Pin pin;
  std::optional<std::string> reply_key;
};
struct OpenConversion {  // POST /v1/conversions
  Subject subject;
  std::optional<Pin> pin;                    // portal
  std::optional<std::string> operator_name;  // branch
  std::optional<Evidence> evidence;          // branch
};
struct SubmitEvidence {  // POST /v1/conversions/{id}/evidence
  std::string conversion_id;
  Evidence evidence;  // route and both digests present
  std::optional<std::string> operator_name;
};
struct DecideConversion {  // POST /v1/conversions/{id}/decision
  std::string conversion_id;
  bool approve = false;
  std::string operator_name;
  std::optional<std::string> reason;
};
struct GetConversion {  // GET /v1/conversions/{id}
  std::string conversion_id;
};
struct Action {
  std::string type, reference, sha256;
};
struct Authorize {  // POST /v1/authorizations
  Subject subject;
  Pin pin;
  Action action;
};
struct GetAuthorization {  // GET /v1/authorizations/{id}
  std::string authorization_id;
};
struct Recover {  // POST /v1/recoveries
  Subject subject;
  Contacts contacts;  // portal: two or three of mobile, email, pec; branch: optional
  std::optional<std::string> operator_name;
  std::optional<Evidence> evidence;
};
struct ConfirmRecovery {  // POST /v1/recoveries/{id}/confirmation
  std::string recovery_id;
  std::optional<LinkToken> token;  // nothing: a string that is no token; it is rejected, and counted as one
};
struct Revoke {  // POST /v1/revocations
  Subject subject;
  std::optional<HealthCard> health_card;             // portal
  Contacts contact;                                  // portal: exactly one of email, pec
  std::optional<std::string> operator_name, reason;  // branch
};
struct ConfirmRevocation {  // POST /v1/revocations/{id}/confirmation
  std::string revocation_id;
  std::optional<LinkToken> token;
};
struct Block {  // POST /v1/blocks
  Subject subject;
  std::string operator_name, reason;
};
struct ChangeContacts {  // POST /v1/contacts
  Subject subject;
  std::optional<Pin> pin;                    // portal
  std::optional<std::string> operator_name;  // contact-centre, branch
  std::optional<Evidence> evidence;          // branch
  Contacts contacts;
  std::optional<HealthCard> health_card;  // portal, branch
};
struct GetStatus {  // POST /v1/status
  Subject subject;
  std::optional<std::string> operator_name;
};
struct LeaseDeliveries {  // POST /v1/outbox/leases
  std::uint32_t max = 1;  // 1 to 100
};
struct Ack {
  std::string delivery_id;
  bool delivered = false;
  std::optional<std::string> reason;
};
struct AckDeliveries {    // POST /v1/outbox/acks
  std::vector<Ack> acks;  // 1 to 100
};
struct GetKeys {};   // GET /v1/keys
struct ReadLedger {  // GET /v1/ledger
  std::uint64_t after = 0;
  std::uint32_t limit = 100;  // 1 to 1,000
};
struct GetCheckpoint {};  // GET /v1/ledger/checkpoint
// A request whose values do not hold. Its Idempotency-Key comes before values, so it is looked at and used
// up.
struct RefusedAtDoor {};

using Request =
    std::variant<RequestPin, RemakeHalf, Verify, Activate, Renew, OpenConversion, SubmitEvidence,
                 DecideConversion, GetConversion, Authorize, GetAuthorization, Recover, ConfirmRecovery,
                 Revoke, ConfirmRevocation, Block, ChangeContacts, GetStatus, LeaseDeliveries, AckDeliveries,
                 GetKeys, ReadLedger, GetCheckpoint, RefusedAtDoor>;

}  // namespace sigillo::appliance
