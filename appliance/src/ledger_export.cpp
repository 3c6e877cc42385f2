#include <appliance/ledger_export.hpp>

#include <base/ecdsa.hpp>

#include <boost/json.hpp>

#include <charconv>
#include <istream>

#include <appliance/ledger_events.hpp>
#include <sealed_store/ledger_entry.hpp>

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

base::Bytes spki(const base::EcPublicKey& key) {
  // SubjectPublicKeyInfo of id-ecPublicKey with prime256v1 (RFC 5480), up to the point.
  static const base::Bytes prefix = *base::from_hex("3059301306072a8648ce3d020106082a8648ce3d030107034200");
  base::Bytes out = prefix;
  base::append(out, key.point());
  return out;
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

std::string origin_of(const std::string& issuer, std::uint32_t node) {
  return issuer + "/ledger/" + std::to_string(node);
}

std::string checkpoint_text(const std::string& issuer, const sealed_store::Head& head) {
  return origin_of(issuer, head.node) + "\n" + std::to_string(head.seq) + "\n" + base::to_base64(head.hash) +
         "\ntime " + base::to_rfc3339(head.time) + "\n";
}

std::string signed_note(const std::string& body, const base::EcPublicKey& key, base::ByteView raw) {
  const auto id = base::sha256({spki(key)});
  base::Bytes signature(id.begin(), id.begin() + 4);
  base::append(signature, base::ecdsa_der(raw));
  const std::string origin = body.substr(0, body.find('\n'));
  return body + "\n\u2014 " + origin + " " + base::to_base64(signature) + "\n";
}

NoteCheck check_note(std::string_view note, const std::vector<base::EcPublicKey>& keys) {
  NoteCheck check;
  const auto blank = note.find("\n\n");
  if (blank == std::string_view::npos) return check;
  const std::string body(note.substr(0, blank + 1));
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < body.size();) {
    const auto end = body.find('\n', at);
    lines.push_back(body.substr(at, end - at));
    at = end + 1;
  }
  if (lines.size() != 4 || !lines[3].starts_with("time ")) return check;
  CheckpointBody parsed{lines[0], 0, {}, lines[3].substr(5)};
  const auto hash = base::from_base64(lines[2]);
  const auto [stop, error] = std::from_chars(lines[1].data(), lines[1].data() + lines[1].size(), parsed.seq);
  if (error != std::errc() || stop != lines[1].data() + lines[1].size() || !hash ||
      hash->size() != parsed.hash.size())
    return check;
  std::copy(hash->begin(), hash->end(), parsed.hash.begin());
  const std::string mark = "\u2014 " + lines[0] + " ";
  auto line = note.substr(blank + 2);
  if (!line.starts_with(mark) || !line.ends_with('\n')) return check;
  line = line.substr(mark.size(), line.size() - mark.size() - 1);
  const auto signature = base::from_base64(line);
  if (!signature || signature->size() < 5) return check;
  check.body = parsed;
  const auto digest = base::sha256({base::view(body)});
  for (const auto& key : keys) {
    const auto id = base::sha256({spki(key)});
    const bool named = std::equal(id.begin(), id.begin() + 4, signature->begin());
    const bool signs = base::ecdsa_verify(key, digest, base::ByteView(*signature).subspan(4));
    // A key id that was edited is an alteration: the key behind it is known all the same.
    check.known = check.known || named || signs;
    check.holds = check.holds || (named && signs);
  }
  return check;
}

std::string checkpoint_line(const std::string& note, const std::string& jwks) {
  return json::serialize(json::object{{"checkpoint", note}, {"keys", json::parse(jwks)}});
}

std::string_view name(ExportVerdict verdict) {
  switch (verdict) {
    case ExportVerdict::intact:
      return "intact";
    case ExportVerdict::altered:
      return "altered";
    case ExportVerdict::gap:
      return "gap";
    case ExportVerdict::cut_tail:
      return "cut tail";
    case ExportVerdict::unknown_key:
      return "unknown key";
    case ExportVerdict::unreadable:
      return "unreadable";
  }
  std::abort();
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

namespace {

constexpr std::string_view kClosing = "{\"checkpoint\"";

// One pass over an export; memory for one line. What is wrong first is what is named.
class ExportCheck {
 public:
  ExportCheck(std::istream& in, const std::optional<std::vector<base::EcPublicKey>>& keys)
      : in_(in), keys_(keys) {}

  ExportReport run() {
    std::string line;
    while (std::getline(in_, line)) {
      torn_ = in_.eof();  // without its newline: the file may have been cut in the middle of a line
      if (line.starts_with(kClosing)) return closing(line);
      const auto entry = parse_entry(line);
      if (!entry) return broken(last_ + 1, "A line is not a ledger entry.");
      if (entry->seq != last_ + 1) return misplaced(*entry);
      if (sealed_store::chain_hash(previous_, *entry) != entry->hash)
        return end(ExportVerdict::altered, entry->seq, "An entry's hash does not hold.");
      previous_ = entry->hash;
      last_ = entry->seq;
      ++report_.entries;
    }
    if (in_.bad()) return end(ExportVerdict::unreadable, last_, "The file can not be read to its end.");
    return end(ExportVerdict::cut_tail, last_, "There is no checkpoint at the end.");
  }

 private:
  ExportReport end(ExportVerdict verdict, std::uint64_t at, std::string detail) {
    report_.verdict = verdict;
    report_.at = at;
    report_.detail = std::move(detail);
    return report_;
  }
  ExportReport broken(std::uint64_t at, std::string detail) {
    if (torn_) return end(ExportVerdict::cut_tail, last_, "The file ends in the middle of a line.");
    return end(ExportVerdict::altered, at, std::move(detail));
  }

  // Another number than the next one: it was edited, the entry was moved, or what belongs here is gone.
  ExportReport misplaced(sealed_store::LedgerEntry entry) {
    const std::uint64_t wanted = last_ + 1;
    const bool too_late = entry.seq < wanted;
    entry.seq = wanted;
    if (sealed_store::chain_hash(previous_, entry) == entry.hash)
      return end(ExportVerdict::altered, wanted, "An entry's number was changed.");
    if (too_late) return end(ExportVerdict::altered, wanted, "An entry stands there a second time.");
    const std::string start = "{\"seq\":" + std::to_string(wanted) + ",";
    std::string line;
    while (std::getline(in_, line)) {
      if (line.starts_with(start))
        return end(ExportVerdict::altered, wanted, "Entries are exchanged: this one stands further on.");
    }
    return end(ExportVerdict::gap, wanted, "An entry is missing.");
  }

  ExportReport closing(const std::string& line) {
    boost::system::error_code error;
    const auto value = json::parse(line, error);
    if (error) return broken(last_, "The checkpoint line is not JSON.");
    const auto* note = value.get_object().if_contains("checkpoint");
    const auto* carried = value.get_object().if_contains("keys");
    if (note == nullptr || !note->is_string() || carried == nullptr || json::serialize(value) != line ||
        value.get_object().size() != 2)
      return end(ExportVerdict::altered, last_, "The checkpoint line has another shape.");
    const auto own = parse_key_set(json::serialize(*carried));
    if (!own) return end(ExportVerdict::altered, last_, "The keys of the checkpoint line are not a JWK set.");
    report_.own_keys = !keys_.has_value();
    return compare(check_note(note->get_string(), keys_ ? *keys_ : *own));
  }

  ExportReport compare(const NoteCheck& check) {
    if (!check.body) return end(ExportVerdict::altered, last_, "The checkpoint is not a signed note.");
    if (!check.known)
      return end(ExportVerdict::unknown_key, last_,
                 "The checkpoint is signed by a key that is not among those given.");
    if (!check.holds) return end(ExportVerdict::altered, last_, "The checkpoint's signature does not hold.");
    std::string after;
    if (std::getline(in_, after))
      return end(ExportVerdict::altered, last_, "There is something after the checkpoint.");
    if (check.body->seq > last_)
      return end(ExportVerdict::cut_tail, last_,
                 "The checkpoint is over entry " + std::to_string(check.body->seq) + ".");
    if (check.body->seq != last_ || check.body->hash != previous_)
      return end(ExportVerdict::altered, last_, "The chain does not end in the checkpoint's hash.");
    report_.checkpoint = check.body;
    return end(ExportVerdict::intact, last_, "Every entry is in its place, up to the signed checkpoint.");
  }

  std::istream& in_;
  const std::optional<std::vector<base::EcPublicKey>>& keys_;
  ExportReport report_;
  base::Digest previous_{};
  std::uint64_t last_ = 0;
  bool torn_ = false;
};

}  // namespace

ExportReport verify_export(std::istream& in, const std::optional<std::vector<base::EcPublicKey>>& keys) {
  return ExportCheck(in, keys).run();
}

}  // namespace sigillo::appliance
