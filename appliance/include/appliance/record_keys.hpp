// Identifiers, tables and queues: how sealed records are named in the store.
// Thread rule: values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <sealed_store/store.hpp>

namespace sigillo::appliance {

using sealed_store::SubjectIndex;
using Id = base::ByteArray<16>;  // opaque identifiers: 16 random bytes, 22 base64url characters outside

std::string to_text(const Id& id);
std::optional<Id> parse_id(std::string_view text);
Id random_id();

// Tables and queues of the store; part of the associated data and of the on-disk format: never renumbered.
enum class Table : std::uint8_t {
  subject = 1,
  conversion = 2,
  authorization = 3,
  link = 4,
  delivery = 5,
  idempotency = 6,
  channel = 7,
  contact_use = 8,
  appliance = 9,
  officer = 10,
  act = 11,
  policy = 12,
  runs = 13,
  open_act = 14,
  key_uses = 15,
  ledger_mark = 24,
  restore = 32
};
enum class Queue : std::uint8_t {
  none = 0,
  sms = 1,
  email = 2,
  pec = 3,
  post = 4,
  idempotency = 20,
  link = 21,
  subject = 22,
  delivery = 23,
  contact_use = 24,
  channel = 25,
  officer = 26,
  act = 27,
  ledger_mark = 30,
  held = 31  // conversions and authorizations, by whose they are: an index, never due
};
// From here on they are of couriers, one each (outbox_of in channels.hpp): first those that were parted.
inline constexpr std::uint8_t kFirstParted = 32, kFirstOutbox = 64, kLastOutbox = 255;
sealed_store::RecordKey record_key(Table table, const Id& id);
// The "moment" at which a subject's records stand in Queue::held: a number of the subject's, and no time.
base::Instant held_at(const SubjectIndex& subject);

}  // namespace sigillo::appliance
