// What hangs on a subject: conversions, authorizations, links, deliveries, kept answers; and channels. The
// plaintexts of sealed records, as subject_record.hpp is. Thread rule: values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <appliance/subject_record.hpp>

namespace sigillo::appliance {

struct StoredEvidence {
  Route route = Route::upload;
  std::string form_sha256, document_type, document_number, document_sha256, operator_name;
  StoredDate document_expires;
  base::Instant at{};
  template <class V>
  void fields(V&& v) {
    v(route, form_sha256, document_type, document_number, document_sha256, operator_name, document_expires,
      at);
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
  void fields(V&& v) {
    v(subject, credential, state, channel, opened, evidence, decided_by, reason);
  }
};

struct AuthorizationRecord {
  SubjectIndex subject{};
  AuthorizationState state = AuthorizationState::granted;
  Level level = Level::ordinary;
  std::string channel, type, reference, sha256;
  base::Instant effective{};
  std::uint64_t seq = 0;     // the ledger entry of the attempt, for its receipt
  Id receipt{};              // `jti` of the first
  base::Digest pseudonym{};  // of the subject towards the channel that asked
  template <class V>
  void fields(V&& v) {
    v(subject, state, level, channel, type, reference, sha256, effective, seq, receipt, pseudonym);
  }
};

struct LinkRecord {  // of a recovery or a revocation
  SubjectIndex subject{};
  Id credential{};
  bool recovery = true;
  std::string channel, subject_hint;
  Medium medium = Medium::email;  // the link went by
  PinVerifier token;
  bool used = false;
  base::Instant sent{}, expires{};
  Appended<bool> registered;  // of a revocation, which any contact may be given for: it was that one
  template <class V>
  void fields(V&& v) {
    v(subject, credential, recovery, channel, subject_hint, medium, token, used, sent, expires, registered);
  }
};

struct DeliveryRecord {
  SubjectIndex subject{};
  Medium medium = Medium::sms;
  DeliveryState state = DeliveryState::queued;
  std::uint32_t attempts = 0;
  base::Instant created{}, lease_ends{}, expires{};
  std::string sealed;             // the JWE; erased once delivered, failed for good or expired
  Appended<std::string> courier;  // "<role>:<name>" of whose key it is sealed to; of before: see recipient()
  template <class V>
  void fields(V&& v) {
    v(subject, medium, state, attempts, created, lease_ends, expires, sealed, courier);
  }
};

struct IdempotencyRecord {
  base::Digest fingerprint{};
  base::Instant at{};
  bool secret = false;
  std::uint16_t status = 0;
  std::string request_id;  // that the answer's body names, for the header of a replay
  base::Bytes sealed;      // opens with the same request only; empty once erased
  template <class V>
  void fields(V&& v) {
    v(fingerprint, at, secret, status, request_id, sealed);
  }
};

struct ContactUse {  // which subjects one mobile or e-mail was given for, lately
  struct Use {
    SubjectIndex subject{};
    base::Instant at{};
    template <class V>
    void fields(V&& v) {
      v(subject, at);
    }
  };
  std::vector<Use> uses;
  template <class V>
  void fields(V&& v) {
    v(uses);
  }
};

}  // namespace sigillo::appliance
