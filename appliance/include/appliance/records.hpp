// What the appliance keeps of a subject, and of the things that hang on it. These are the plaintexts of sealed records;
// data stands only where it means something: a provisional credential has halves, an active one a definitive verifier.
// Thread rule: values.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <appliance/contacts.hpp>
#include <appliance/operations.hpp>
#include <sealed_store/store.hpp>

namespace sigillo::appliance {

using sealed_store::SubjectIndex;
using Id = base::ByteArray<16>;  // opaque identifiers: 16 random bytes, 22 base64url characters outside

std::string to_text(const Id& id);
std::optional<Id> parse_id(std::string_view text);
Id random_id();

// Tables and queues of the store; part of the associated data and of the on-disk format: never renumbered.
enum class Table : std::uint8_t {
  subject = 1, conversion = 2, authorization = 3, link = 4, delivery = 5, idempotency = 6, channel = 7, contact_use = 8
};
enum class Queue : std::uint8_t {
  none = 0, sms = 1, email = 2, pec = 3, post = 4, idempotency = 20, link = 21, subject = 22, delivery = 23, contact_use = 24, channel = 25
};
sealed_store::RecordKey record_key(Table table, const Id& id);

struct PinVerifier {  // see verifier.hpp
  std::uint16_t key_version = 0;
  std::uint32_t iterations = 0;  // of PBKDF2; 0: none
  base::ByteArray<16> salt{};
  base::Digest mac{};
  template <class V>
  void fields(V&& v) { v(key_version, iterations, salt, mac); }
};

struct ProvisionalHalf {
  PinVerifier verifier;
  Medium medium = Medium::sms;
  base::Instant dies{};  // on demand only; otherwise the credential's own expiry
  template <class V>
  void fields(V&& v) { v(verifier, medium, dies); }
};
struct Provisional {
  std::optional<ProvisionalHalf> first, second;  // an electronic half of the strict profile is made later
  bool counter = false;                          // handed over whole: no half means anything alone
  base::Instant expires{};
  template <class V>
  void fields(V&& v) { v(first, second, counter, expires); }
};
struct Definitive {
  PinVerifier verifier;
  base::Instant expires{};
  template <class V>
  void fields(V&& v) { v(verifier, expires); }
};
struct Blocked {
  base::Instant at{};
  template <class V>
  void fields(V&& v) { v(at); }
};
struct Revoked {
  base::Instant at{};
  bool by_portal = false;
  template <class V>
  void fields(V&& v) { v(at, by_portal); }
};
struct NoCredential {
  template <class V>
  void fields(V&&) {}
};

// What a credential was given at issue, for status and for making a half anew.
struct IssuedDelivery {
  Id id{};
  Half half = Half::first;
  Medium medium = Medium::sms;
  template <class V>
  void fields(V&& v) { v(id, half, medium); }
};

template <class T>
struct Registered {
  T value{};
  base::Instant since{};
  bool confirmed = false;
  bool counts(base::Instant now, base::Duration quarantine) const { return confirmed || now >= since + quarantine; }
  template <class V>
  void fields(V&& v) { v(value, since, confirmed); }
};

struct StoredAddress : PostalAddress {
  template <class V>
  void fields(V&& v) { v(name, street, postcode, city, province, country); }
};
struct StoredDate {
  Date date;
  template <class V>
  void fields(V&& v) { v(date.year, date.month, date.day); }
};
struct RegisteredContacts {
  std::optional<Registered<std::string>> mobile, email, pec, phone;
  std::optional<Registered<StoredAddress>> postal;
  template <class V>
  void fields(V&& v) { v(mobile, email, pec, phone, postal); }
};

// One refill of the guesses: a confirmed recovery, or a request after a revocation.
struct Refill {
  base::Instant at{};
  std::uint32_t generation = 0;
  bool activated = false;
  template <class V>
  void fields(V&& v) { v(at, generation, activated); }
};

struct SubjectRecord {
  std::uint32_t generation = 0;  // of the credential; part of every verifier
  Id credential{};
  Level level = Level::ordinary;
  std::variant<NoCredential, Provisional, Definitive, Blocked, Revoked> state;
  std::optional<base::Instant> issued, first_access;  // of this credential
  RegisteredContacts contacts;
  std::optional<PinVerifier> health_card;  // number and expiry are kept as a verifier only
  std::optional<std::string> representative;
  std::vector<IssuedDelivery> deliveries;
  std::vector<base::Instant> letters, electronic;  // sent lately, for the limits
  std::vector<Refill> refills;
  std::optional<Id> conversion, recovery, revocation;  // the open ones
  std::vector<Id> deferred;                            // authorizations that wait for conversion
  template <class V>
  void fields(V&& v) {
    v(generation, credential, level, state, issued, first_access, contacts, health_card, representative, deliveries, letters,
      electronic, refills, conversion, recovery, revocation, deferred);
  }
};

struct StoredEvidence {
  Route route = Route::upload;
  std::string form_sha256, document_type, document_number, document_sha256, operator_name;
  StoredDate document_expires;
  base::Instant at{};
  template <class V>
  void fields(V&& v) {
    v(route, form_sha256, document_type, document_number, document_sha256, operator_name, document_expires, at);
  }
};
struct ConversionRecord {
  SubjectIndex subject{};
  Id credential{};
  ConversionState state = ConversionState::awaiting_evidence;
  std::string channel;  // the portal that opened it
  base::Instant opened{};
  std::optional<StoredEvidence> evidence;
  std::optional<std::string> decided_by, reason;
  template <class V>
  void fields(V&& v) { v(subject, credential, state, channel, opened, evidence, decided_by, reason); }
};

struct AuthorizationRecord {
  SubjectIndex subject{};
  AuthorizationState state = AuthorizationState::granted;
  Level level = Level::ordinary;
  std::string channel, type, reference, sha256;
  base::Instant effective{};
  std::uint64_t seq = 0;  // the ledger entry of the attempt, for its receipt
  Id receipt{};
  base::Digest pseudonym{};  // of the subject towards the channel that asked
  template <class V>
  void fields(V&& v) { v(subject, state, level, channel, type, reference, sha256, effective, seq, receipt, pseudonym); }
};

struct LinkRecord {  // of a recovery or a revocation
  SubjectIndex subject{};
  Id credential{};
  bool recovery = true;
  std::string channel, subject_hint;
  Medium medium = Medium::email;  // the link went by
  PinVerifier token;
  bool used = false;
  base::Instant expires{};
  template <class V>
  void fields(V&& v) { v(subject, credential, recovery, channel, subject_hint, medium, token, used, expires); }
};

struct DeliveryRecord {
  SubjectIndex subject{};
  Medium medium = Medium::sms;
  DeliveryState state = DeliveryState::queued;
  std::uint32_t attempts = 0;
  base::Instant created{}, lease_ends{}, expires{};
  std::string sealed;  // the JWE; erased once delivered, failed for good or expired
  template <class V>
  void fields(V&& v) { v(subject, medium, state, attempts, created, lease_ends, expires, sealed); }
};

struct IdempotencyRecord {
  base::Digest fingerprint{};
  base::Instant at{};
  bool secret = false;
  std::uint16_t status = 0;
  base::Bytes sealed;  // opens with the same request only; empty once erased
  template <class V>
  void fields(V&& v) { v(fingerprint, at, secret, status, sealed); }
};

struct ChannelRecord {
  std::uint8_t role = 0, status = 0;
  std::string name, owner, delivery_jwk;
  base::Digest certificate_key{};
  template <class V>
  void fields(V&& v) { v(role, status, name, owner, delivery_jwk, certificate_key); }
};

struct ContactUse {  // which subjects one mobile or e-mail was given for, lately
  struct Use {
    SubjectIndex subject{};
    base::Instant at{};
    template <class V>
    void fields(V&& v) { v(subject, at); }
  };
  std::vector<Use> uses;
  template <class V>
  void fields(V&& v) { v(uses); }
};

// What the state of a credential is, told by the clock too.
State state_of(const SubjectRecord& record, base::Instant now);
bool is_live(State state);  // provisional, active, expired, blocked

}  // namespace sigillo::appliance
