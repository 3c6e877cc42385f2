// Every operation of the contract as two types: what a channel asks, validated, and what the appliance answers. The wire
// forms are api/'s. A member that may be absent in the contract is optional here; who may or must give it is decided in
// the service, by role. Secrets (PIN, token) are moved in and wiped when the request goes.
// Thread rule: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <appliance/contacts.hpp>
#include <appliance/pin.hpp>
#include <appliance/subject.hpp>

namespace sigillo::appliance {

enum class Level : std::uint8_t { ordinary = 1, dispositive = 2 };
enum class State : std::uint8_t { none, provisional, active, expired, lapsed, blocked, revoked };
enum class Presented : std::uint8_t { first_half = 1, provisional = 2, definitive = 3 };
enum class Scope : std::uint8_t { portal_explore, profile_manage, records_read, claims_defer, claims_submit };
enum class ConversionState : std::uint8_t { awaiting_evidence = 1, in_review = 2, approved = 3, rejected = 4 };
enum class AuthorizationState : std::uint8_t { granted = 1, deferred = 2, void_ = 3 };
enum class DeliveryState : std::uint8_t { queued = 1, leased = 2, delivered = 3, failed = 4, expired = 5 };
std::string_view name(Level level);
std::string_view name(State state);
std::string_view name(Presented presented);
std::string_view name(Scope scope);
std::string_view name(ConversionState state);
std::string_view name(AuthorizationState state);
std::string_view name(DeliveryState state);

// ---- requests -----------------------------------------------------------------------------------------------------

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
  std::optional<HealthCard> health_card;  // portal
  Contacts contact;                       // portal: exactly one of email, pec
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
struct AckDeliveries {  // POST /v1/outbox/acks
  std::vector<Ack> acks;  // 1 to 100
};
struct GetKeys {};      // GET /v1/keys
struct ReadLedger {     // GET /v1/ledger
  std::uint64_t after = 0;
  std::uint32_t limit = 100;  // 1 to 1,000
};
struct GetCheckpoint {};  // GET /v1/ledger/checkpoint

using Request = std::variant<RequestPin, RemakeHalf, Verify, Activate, Renew, OpenConversion, SubmitEvidence, DecideConversion,
                             GetConversion, Authorize, GetAuthorization, Recover, ConfirmRecovery, Revoke, ConfirmRevocation,
                             Block, ChangeContacts, GetStatus, LeaseDeliveries, AckDeliveries, GetKeys, ReadLedger,
                             GetCheckpoint>;

// ---- answers ------------------------------------------------------------------------------------------------------

// A refusal by rule: the API's error codes of the same names.
enum class Refusal : std::uint8_t {
  credential_exists,           // 409
  branch_required,             // 409
  not_provisional,             // 409
  delivery_limit,              // 429
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

// One shape for unknown and known subjects alike.
struct Rejection {
  enum class Outcome : std::uint8_t { rejected, delayed, locked } outcome = Outcome::rejected;
  std::uint32_t attempts_remaining = 0;
  std::optional<std::uint32_t> retry_after_s;  // delayed only
};
struct ExpiredPin {};  // outcome "expired": right, past its validity
struct DeliveryView {
  std::string delivery_id;
  Half half;
  Medium medium;
  std::string to;                     // masked
  std::optional<std::string> sealed;  // voice, counter: a JWE for the calling channel
};
struct PinRequested {  // 201
  std::string credential_id;
  State state;
  Level level;
  base::Instant expires_at;
  std::vector<DeliveryView> deliveries;
};
struct HalfRemade {  // 202
  std::vector<DeliveryView> deliveries;
};
struct Verified {
  std::string credential_id;
  State state;
  Level level;
  Presented presented;
  std::vector<Scope> scopes;
  bool next_activate = false;
  base::Instant expires_at;
  std::optional<std::string> receipt;  // JWS
};
struct NewPin {  // 201, activation and renewal
  std::string credential_id;
  Level level;
  base::Instant expires_at;
  std::variant<Pin, std::string> pin;  // in clear, or a JWE to the reply key
};
struct ConversionOpened {  // 201; the portal's has an outcome, the branch's is approved at once
  std::string conversion_id;
  ConversionState state;
  bool decided_on_pin = false;
};
struct DeferredClaim {
  std::string authorization_id, type, reference, sha256;
  base::Instant effective_at;
};
struct ConversionView {  // 200
  std::string conversion_id;
  ConversionState state;
  std::vector<DeferredClaim> deferred;  // whoever decides sees the list
};
struct Authorization {  // 201, and 200 on GET
  std::string authorization_id;
  AuthorizationState decision;
  base::Instant effective_at;
  std::string receipt;
  bool created = true;
};
struct LinkSent {  // 202
  std::string id;
  bool recovery = true;  // else a revocation
};
struct NotEligible {};  // 200, reason never-accessed
struct RevokedNow {     // 200
  bool by_link = false;  // then with "outcome": "verified"
};
struct BlockedNow {};  // 200
struct ContactsNow {   // 200, masked
  std::optional<std::string> mobile, email, pec, phone, postal;
};
struct StatusView {  // 200
  std::optional<std::string> credential_id;
  State state = State::none;
  std::optional<Level> level;
  bool locked = false;
  std::optional<base::Instant> delayed_until, issued_at, first_access_at, expires_at;
  ContactsNow contacts;
  struct Item {
    Half half;
    Medium medium;
    DeliveryState state;
  };
  std::vector<Item> deliveries;
};
struct Leases {  // 200
  struct Item {
    std::string delivery_id;
    base::Instant lease_expires_at;
    std::uint32_t attempt;
    std::string sealed;
  };
  std::vector<Item> deliveries;
};
struct AckResults {  // 200
  struct Item {
    std::string delivery_id;
    bool recorded;
  };
  std::vector<Item> results;
};
struct KeySet {  // 200
  std::string jwks;  // JSON, RFC 7517
};
struct LedgerPage {  // 200
  std::vector<std::string> entries;  // each a JSON object, as in an export
  std::uint64_t next_after = 0;
};
struct Checkpoint {  // 200 text/plain
  std::string note;  // C2SP signed note
};

using Answer = std::variant<Refusal, Rejection, ExpiredPin, PinRequested, HalfRemade, Verified, NewPin, ConversionOpened,
                            ConversionView, Authorization, LinkSent, NotEligible, RevokedNow, BlockedNow, ContactsNow, StatusView,
                            Leases, AckResults, KeySet, LedgerPage, Checkpoint>;

}  // namespace sigillo::appliance
