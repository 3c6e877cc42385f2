// What the appliance keeps of a channel: the plaintext of its sealed record, as records.hpp has the others.
// Thread rule: values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <appliance/appended.hpp>
#include <base/clock.hpp>
#include <base/crypto.hpp>

namespace sigillo::appliance {

// Not inside the record: clang does not see an optional of a nested struct with defaults as constructible.
struct FormerKeyRecord {
  base::Digest certificate_key{};
  base::Instant until{};
  std::uint16_t ca_version = 1;
  template <class V>
  void fields(V&& v) {
    v(certificate_key, until, ca_version);
  }
};

struct ChannelAppendix {
  std::vector<base::Digest> former_keys;
  Appended<std::uint8_t> outbox;
  bool operator==(const ChannelAppendix&) const = default;
  template <class V>
  void fields(V&& v) {
    v(former_keys, outbox);
  }
};

struct ChannelRecord {
  std::uint8_t role = 0, status = 0;
  std::string name, owner, delivery_jwk;
  base::Digest certificate_key{};
  std::uint16_t ca_version = 1;
  base::Instant certificate_expires{};
  std::optional<FormerKeyRecord> former;
  std::vector<std::string> former_delivery;
  Appended<ChannelAppendix> appendix;
  template <class V>
  void fields(V&& v) {
    v(role, status, name, owner, delivery_jwk, certificate_key, ca_version, certificate_expires, former,
      former_delivery, appendix);
  }
};

struct LedgerMark {  // where a segment of the ledger may end: the head of its moment
  std::uint64_t seq = 0;
  base::Digest hash{};
  base::Instant time{};
  template <class V>
  void fields(V&& v) {
    v(seq, hash, time);
  }
};

struct ApplianceRecord {  // one, under the id of zeros
  Id id{};
  template <class V>
  void fields(V&& v) {
    v(id);
  }
};

struct ActRecord {  // what officers had carried out: kept, so that it can be verified, and never done again
  std::string text;
  struct Signature {
    std::string officer;
    base::Bytes signature;
    base::ByteArray<65> key{};  // as it was then
    template <class V>
    void fields(V&& v) {
      v(officer, signature, key);
    }
  };
  std::vector<Signature> signatures;
  base::Instant at{};
  template <class V>
  void fields(V&& v) {
    v(text, signatures, at);
  }
};

}  // namespace sigillo::appliance
