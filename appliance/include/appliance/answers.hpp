// What the appliance answers, one type an answer; api/ renders them. A Refusal is a rule's no, a Rejection a
// decision's. Thread rule: values.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <appliance/contacts.hpp>
#include <appliance/pin.hpp>
#include <appliance/refusal.hpp>
#include <appliance/terms.hpp>

namespace sigillo::appliance {

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
  bool decided = false;  // on a token: then with "outcome"
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
struct NotEligible {};   // 200, reason never-accessed
struct RevokedNow {      // 200
  bool by_link = false;  // then with "outcome": "verified"
};
struct BlockedNow {};  // 200
struct ContactsNow {   // 200, masked
  std::optional<std::string> mobile, email, pec, phone, postal;
  bool decided = false;  // on a PIN: then with "outcome"
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
struct KeySet {      // 200
  std::string jwks;  // JSON, RFC 7517
};
struct LedgerPage {                  // 200
  std::vector<std::string> entries;  // each a JSON object, as in an export
  std::uint64_t next_after = 0;
};
struct Checkpoint {  // 200 text/plain
  std::string note;  // C2SP signed note
};

using Answer =
    std::variant<Refusal, Rejection, ExpiredPin, PinRequested, HalfRemade, Verified, NewPin, ConversionOpened,
                 ConversionView, Authorization, LinkSent, NotEligible, RevokedNow, BlockedNow, ContactsNow,
                 StatusView, Leases, AckResults, KeySet, LedgerPage, Checkpoint, DoorRefusal>;

}  // namespace sigillo::appliance
