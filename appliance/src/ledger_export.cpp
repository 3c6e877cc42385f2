#include <appliance/ledger_export.hpp>

#include <boost/json.hpp>

#include <appliance/ledger_events.hpp>

namespace sigillo::appliance {
namespace {

namespace json = boost::json;

template <std::size_t N>
std::optional<base::ByteArray<N>> hex_array(const json::value* value) {
  if (value == nullptr || !value->is_string()) return std::nullopt;
  const auto bytes = base::from_hex(value->get_string());
  if (!bytes || bytes->size() != N) return std::nullopt;
  base::ByteArray<N> out;
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return out;
}

template <class Int>
std::optional<Int> integer(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr) return std::nullopt;
  boost::system::error_code error;
  const auto number = value->to_number<Int>(error);
  if (error) return std::nullopt;
  return number;
}

std::optional<std::string> text(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

std::optional<std::pair<sealed_store::GuardKey, sealed_store::GuardValue>> parse_guard(
    const json::value& value) {
  const auto* object = value.if_object();
  if (object == nullptr) return std::nullopt;
  const auto subject = hex_array<16>(object->if_contains("subject"));
  const auto counter = integer<std::uint8_t>(*object, "counter");
  const auto failures = integer<std::uint16_t>(*object, "failures");
  const auto unowned = integer<std::uint16_t>(*object, "unowned");
  const auto last = integer<std::int64_t>(*object, "last_ms");
  if (!subject || !counter || !failures || !unowned || !last) return std::nullopt;
  return std::pair{sealed_store::GuardKey{*subject, *counter},
                   sealed_store::GuardValue{*failures, *unowned, {*last}}};
}

bool fill(sealed_store::LedgerEntry& entry, const json::object& object) {
  const auto seq = integer<std::uint64_t>(object, "seq");
  const auto node = integer<std::uint32_t>(object, "node");
  const auto time = integer<std::int64_t>(object, "time_ms");
  const auto kind = integer<std::uint16_t>(object, "kind");
  const auto outcome = integer<std::uint16_t>(object, "outcome_code");
  const auto subject = hex_array<16>(object.if_contains("subject"));
  const auto channel = text(object, "channel");
  const auto operator_name = text(object, "operator");
  const auto reference = text(object, "reference");
  const auto attempt = integer<std::uint64_t>(object, "attempt");
  const auto hash = hex_array<32>(object.if_contains("hash"));
  if (!seq || !node || !time || !kind || !outcome || !subject || !channel || !operator_name || !reference ||
      !attempt || !hash)
    return false;
  entry.seq = *seq;
  entry.node = *node;
  entry.event = {{*time},        *kind,      *outcome, *subject,    *channel,
                 *operator_name, *reference, *attempt, std::nullopt};
  entry.hash = *hash;
  return true;
}

}  // namespace

std::string entry_json(const sealed_store::LedgerEntry& entry) {
  const auto& event = entry.event;
  json::object out{{"seq", entry.seq},
                   {"node", entry.node},
                   {"time", base::to_rfc3339(event.time)},
                   {"time_ms", event.time.ms},
                   {"event", event_name(event.kind)},
                   {"kind", event.kind},
                   {"outcome", outcome_name(event.outcome)},
                   {"outcome_code", event.outcome},
                   {"subject", base::to_hex(event.subject)},
                   {"channel", event.channel},
                   {"operator", event.operator_name},
                   {"reference", event.reference},
                   {"attempt", event.attempt}};
  if (event.guard) {
    const auto& [key, value] = *event.guard;
    out["guard"] = {{"subject", base::to_hex(key.subject)},
                    {"counter", key.counter},
                    {"failures", value.failures},
                    {"unowned", value.unowned},
                    {"last_ms", value.last.ms}};
  }
  if (entry.root) out["root"] = base::to_hex(*entry.root);
  if (entry.guard_hash) out["guard_hash"] = base::to_hex(*entry.guard_hash);
  out["hash"] = base::to_hex(entry.hash);
  return json::serialize(out);
}

std::optional<sealed_store::LedgerEntry> parse_entry(std::string_view line) {
  boost::system::error_code error;
  const auto value = json::parse(line, error);
  if (error || !value.is_object()) return std::nullopt;
  const auto& object = value.get_object();
  sealed_store::LedgerEntry entry;
  if (!fill(entry, object)) return std::nullopt;
  if (const auto* guard = object.if_contains("guard")) {
    entry.event.guard = parse_guard(*guard);
    if (!entry.event.guard) return std::nullopt;
  }
  if (object.contains("root") && !(entry.root = hex_array<32>(object.if_contains("root"))))
    return std::nullopt;
  if (object.contains("guard_hash") && !(entry.guard_hash = hex_array<32>(object.if_contains("guard_hash"))))
    return std::nullopt;
  // Whatever the hash does not cover (the names, stray members, another spelling) must be what this code
  // writes.
  if (entry_json(entry) != line) return std::nullopt;
  return entry;
}

std::string checkpoint_line(const std::string& note, const std::string& jwks) {
  return json::serialize(json::object{{"checkpoint", note}, {"keys", json::parse(jwks)}});
}

std::string base_line(const std::string& note) {
  return json::serialize(json::object{{"base", note}});
}

std::optional<std::vector<base::EcPublicKey>> parse_key_set(std::string_view jwks) {
  boost::system::error_code error;
  const auto value = json::parse(jwks, error);
  const auto* set = error ? nullptr : value.if_object();
  const auto* keys = set == nullptr ? nullptr : set->if_contains("keys");
  if (keys == nullptr || !keys->is_array()) return std::nullopt;
  std::vector<base::EcPublicKey> out;
  for (const auto& one : keys->get_array()) {
    auto key = base::EcPublicKey::from_jwk(json::serialize(one));
    if (!key) return std::nullopt;
    // One key, one use: whoever has receipts signed does not get a checkpoint out of it.
    if (!key->kid().starts_with("sigillo.receipt-")) out.push_back(std::move(*key));
  }
  return out;
}

}  // namespace sigillo::appliance
