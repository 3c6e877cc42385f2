// What the store keeps and tells: records, guard values, ledger events and entries, the head of the chain.
// Thread rule: values.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include <base/bytes.hpp>
#include <base/clock.hpp>
#include <base/crypto.hpp>

namespace sigillo::sealed_store {

// 128 bits of the blind index; names a subject everywhere below the index key, the ledger included.
using SubjectIndex = base::ByteArray<16>;

struct RecordKey {
  std::uint8_t table = 0;  // the caller's: part of the associated data of the seal, so that no row moves
  base::ByteArray<16> id{};
  auto operator<=>(const RecordKey&) const = default;
};

struct Put {
  RecordKey key;
  base::Bytes sealed;
  std::uint8_t queue = 0;  // 0: in no queue
  base::Instant due{};
};

// Another sealed form of the same record (under a newer key): taken only where the record still is
// `expected`, with the queue and time that it has; else it is left as it is.
struct Replacement {
  RecordKey key;
  base::Bytes expected;
  base::Bytes sealed;
};

struct GuardKey {
  SubjectIndex subject{};
  std::uint8_t counter = 0;  // the caller's: PIN, contacts, health card
  auto operator<=>(const GuardKey&) const = default;
};

struct GuardValue {
  std::uint16_t failures = 0;  // in a row, charged while a credential was live
  std::uint16_t unowned = 0;   // charged while none was live; these end when one is issued
  base::Instant last{};        // the last charge that stayed
  std::uint32_t total() const { return std::uint32_t{failures} + unowned; }
  bool operator==(const GuardValue&) const = default;
};

// What a caller has written into the ledger. Typed fields, an allow list: no PIN, no verifier, no codice
// fiscale.
struct Event {
  base::Instant time;
  std::uint16_t kind = 0;     // the caller's catalogue
  std::uint16_t outcome = 0;  // the caller's catalogue
  SubjectIndex subject{};
  std::string channel;        // "<role>:<name>", or "officer", "appliance"; at most 80 bytes
  std::string operator_name;  // at most 64 bytes
  std::string reference;      // an opaque identifier this is about, or a signature; at most 128 bytes
  std::uint64_t attempt = 0;  // the charge that this settles, by seq; 0 for none
  // The counter's value after this entry; replaying the ledger is assigning these in order.
  std::optional<std::pair<GuardKey, GuardValue>> guard;
};

struct LedgerEntry {
  std::uint64_t seq = 0;   // from 1, no gaps
  std::uint32_t node = 0;  // the chain this entry is in
  Event event;
  std::optional<base::Digest> root;        // keyed hash over all records, where the commit changed any
  std::optional<base::Digest> guard_hash;  // keyed hash over the folded guard table; folds only
  base::Digest hash{};                     // SHA-256 over the one before and this one: see ledger_entry.hpp
};

// Where the ledger begins after its beginning was pruned: the last entry that went, and who says so.
struct LedgerBase {
  std::uint64_t seq = 0;  // 0: nothing was ever pruned
  base::Digest hash{};
  std::string note;  // signed by the caller; the store only keeps it
};

struct Head {
  std::uint32_t node = 0;
  std::uint64_t seq = 0;
  base::Digest hash{};
  base::Instant time{};
};

}  // namespace sigillo::sealed_store
