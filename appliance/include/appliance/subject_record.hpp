// What the appliance keeps of a subject: the plaintext of its sealed record. Data stands only where it means
// something: a provisional credential has halves, an active one a definitive verifier, and no other has any.
// Thread rule: values.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <appliance/appended.hpp>
#include <appliance/record_keys.hpp>
#include <appliance/registered_contacts.hpp>
#include <appliance/terms.hpp>

namespace sigillo::appliance {

struct PinVerifier {  // see verifier.hpp
  std::uint16_t key_version = 0;
  std::uint32_t iterations = 0;  // of PBKDF2; 0: none
  base::ByteArray<16> salt{};
  base::Digest mac{};
  template <class V>
  void fields(V&& v) {
    v(key_version, iterations, salt, mac);
  }
};

struct ProvisionalHalf {
  PinVerifier verifier;
  Medium medium = Medium::sms;
  base::Instant dies{};  // on demand only; otherwise the credential's own expiry
  base::Instant sent{};  // using it confirms the contact that was registered then, and no later one
  template <class V>
  void fields(V&& v) {
    v(verifier, medium, dies, sent);
  }
};
struct Provisional {
  std::optional<ProvisionalHalf> first, second;  // an electronic half of the strict profile is made later
  bool counter = false;                          // handed over whole: no half means anything alone
  base::Instant expires{};
  template <class V>
  void fields(V&& v) {
    v(first, second, counter, expires);
  }
};
struct Definitive {
  PinVerifier verifier;
  base::Instant expires{};
  template <class V>
  void fields(V&& v) {
    v(verifier, expires);
  }
};
struct Blocked {
  base::Instant at{};
  template <class V>
  void fields(V&& v) {
    v(at);
  }
};
struct Revoked {
  base::Instant at{};
  template <class V>
  void fields(V&& v) {
    v(at);
  }
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
  void fields(V&& v) {
    v(id, half, medium);
  }
};

struct StoredDate {
  Date date;
  template <class V>
  void fields(V&& v) {
    v(date.year, date.month, date.day);
  }
};

// One refill of the guesses: a confirmed recovery, or a request after a revocation.
struct Refill {
  base::Instant at{};
  std::uint32_t generation = 0;
  bool activated = false;
  template <class V>
  void fields(V&& v) {
    v(at, generation, activated);
  }
};

// When a match or a branch ended a counter of one whom a restore covers: from then on it is believed as it is
// stored (reissue.hpp).
struct CountersEnded {
  std::optional<base::Instant> contacts, health_card;
  bool operator==(const CountersEnded&) const = default;
  template <class V>
  void fields(V&& v) {
    v(contacts, health_card);
  }
};

struct SubjectRecord {
  std::string hint;  // the last characters of the codice fiscale, for notices that no request caused
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
  std::optional<base::Instant> portal_revoked;         // the last time; whatever was issued since
  Appended<CountersEnded> ended;
  template <class V>
  void fields(V&& v) {
    v(hint, generation, credential, level, state, issued, first_access, contacts, health_card, representative,
      deliveries, letters, electronic, refills, conversion, recovery, revocation, deferred, portal_revoked,
      ended);
  }
};

// What the state of a credential is, told by the clock too.
State state_of(const SubjectRecord& record, base::Instant now);
bool is_live(State state);  // provisional, active, expired, blocked

}  // namespace sigillo::appliance
