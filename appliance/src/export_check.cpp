#include <appliance/export_check.hpp>

#include <charconv>
#include <istream>

#include <boost/json.hpp>

#include <appliance/ledger_events.hpp>
#include <appliance/ledger_export.hpp>
#include <sealed_store/ledger_entry.hpp>

namespace sigillo::appliance {
namespace {

namespace json = boost::json;

constexpr std::string_view kEntry = "{\"seq\":";
constexpr std::string_view kOpening = "{\"base\"";
constexpr std::string_view kClosing = "{\"checkpoint\"";

// As a line of an export begins, or as much of it as is there.
bool is_like_ours(std::string_view line) {
  const auto alike = [line](std::string_view beginning) {
    return !line.empty() && line.substr(0, beginning.size()) == beginning.substr(0, line.size());
  };
  return alike(kEntry) || alike(kOpening) || alike(kClosing);
}

std::uint64_t print_of(const base::Digest& hash) {
  return base::read_be<std::uint64_t>(hash);
}

// The reference of an entry `restored`: "SEQ:HASH:WHO"; nothing where it is none.
struct Replaced {
  std::uint64_t seq = 0;
  base::Digest hash{};
  std::string who;
};
std::optional<Replaced> parse_replaced(std::string_view text) {
  const auto one = text.find(':'), two = text.find(':', one + 1);
  if (one == std::string_view::npos || two == std::string_view::npos) return std::nullopt;
  Replaced out;
  const auto [end, error] = std::from_chars(text.data(), text.data() + one, out.seq);
  const auto hash = base::from_hex(text.substr(one + 1, two - one - 1));
  if (error != std::errc() || end != text.data() + one || !hash || hash->size() != out.hash.size())
    return std::nullopt;
  std::copy(hash->begin(), hash->end(), out.hash.begin());
  out.who = text.substr(two + 1);
  return out;
}

}  // namespace

std::optional<std::uint64_t> ExportCheck::Prints::at(std::uint64_t seq) const {
  if (seq < from || seq - from >= of.size()) return std::nullopt;
  return of[seq - from];
}

void ExportCheck::begin_anew(std::uint64_t after, const base::Digest& hash) {
  before_ = std::exchange(prints_, Prints());
  report_.left_at.reset();
  report_.restores.clear();
  report_.entries = 0;
  acts_ = ActsCheck();
  acts_.begin(after == 0);
  last_ = after;
  previous_ = hash;
}

// Attack: (1) rewrite the ledger from some entry on, with the appliance's own key, (2) say that it was
// restored. What it was restored instead of is in the entry, and is the file's of before, or is not.
std::optional<ExportReport> ExportCheck::follow(const sealed_store::LedgerEntry& entry) {
  if (several_) {
    if (prints_.of.empty()) prints_.from = entry.seq;
    prints_.of.push_back(print_of(entry.hash));
  }
  const auto other = before_.at(entry.seq);
  const bool apart = other && *other != print_of(entry.hash);
  if (apart && !report_.left_at) report_.left_at = entry.seq - 1;
  if (entry.event.kind != static_cast<std::uint16_t>(EventKind::restored)) return std::nullopt;
  const auto replaced = parse_replaced(entry.event.reference);
  if (!replaced)
    return end(ExportVerdict::altered, entry.seq, "An entry `restored` does not say what it replaced.");
  report_.restores.push_back({entry.seq, entry.event.attempt, replaced->seq, replaced->who});
  if (report_.left_at != entry.event.attempt) return std::nullopt;
  const auto had = before_.at(replaced->seq);
  if (had && *had != print_of(replaced->hash))
    return end(ExportVerdict::altered, entry.seq,
               "The restore says that it replaced another history than the file before it has.");
  return std::nullopt;
}

// The new file's end: it left the files before it where a restore says so, or nowhere.
std::optional<ExportReport> ExportCheck::undeclared() {
  if (before_.of.empty()) return std::nullopt;
  if (!report_.left_at)
    return end(ExportVerdict::altered, before_.from,
               "The entries of the file before it stand there a second time: give the last file alone.");
  for (const auto& fork : report_.restores) {
    if (fork.after == *report_.left_at) return std::nullopt;
  }
  return end(ExportVerdict::altered, *report_.left_at + 1,
             "Another history begins here than in the file before it, and no restore declares it.");
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
    case ExportVerdict::act_refused:
      return "act not signed";
    case ExportVerdict::unreadable:
      return "unreadable";
  }
  std::abort();
}

struct ExportCheck::File {
  std::istream& in;
  bool may_begin_anew = false;
  bool first_line = true;
  bool torn = false;                // without its newline: the file may have been cut in the middle of a line
  std::optional<std::string> base;  // the note that it begins with; the keys that check it come last
  std::uint64_t from = 0;
};

ExportReport ExportCheck::take(std::istream& in, bool last) {
  File file{in, several_ && last};
  std::string line;
  while (std::getline(in, line)) {
    file.torn = in.eof();
    if (line.starts_with(kClosing)) return closing(file, line);
    const bool opens = file.first_line && line.starts_with(kOpening);
    if (auto wrong = opens ? open(file, line) : entry(file, line)) return *wrong;
    file.first_line = false;
  }
  if (in.bad()) return end(ExportVerdict::unreadable, last_, "It can not be read to its end");
  return end(ExportVerdict::cut_tail, last_, "There is no checkpoint at the end.");
}

ExportReport ExportCheck::end(ExportVerdict verdict, std::uint64_t at, std::string detail) {
  report_.verdict = verdict;
  report_.at = at;
  report_.detail = std::move(detail);
  report_.acts = acts_.held();
  report_.acts_unchecked = acts_.unchecked();
  return report_;
}

ExportReport ExportCheck::broken(const File& file, std::uint64_t at, std::string detail) {
  if (file.torn) return end(ExportVerdict::cut_tail, last_, "The file ends in the middle of a line.");
  return end(ExportVerdict::altered, at, std::move(detail));
}

// Attack it stops: (1) cut what one did out of an export's beginning, (2) put a checkpoint that was once
// published in its place. Only the end of a segment may stand there, and that is in what was signed.
std::optional<ExportReport> ExportCheck::open(File& file, const std::string& line) {
  boost::system::error_code error;
  const auto value = json::parse(line, error);
  const auto* note = error || !value.is_object() ? nullptr : value.get_object().if_contains("base");
  if (note == nullptr || !note->is_string()) return broken(file, last_ + 1, "The base line is not one.");
  file.base = std::string(note->get_string());
  const auto body = check_note(*file.base, {}).body;
  if (!body || base_line(*file.base) != line)
    return end(ExportVerdict::altered, last_ + 1, "The base is not a signed note.");
  if (!body->segment_from)
    return end(ExportVerdict::altered, last_ + 1, "The base is a checkpoint, and not the end of a segment.");
  if (report_.entries == 0) {
    acts_.begin(false);
    last_ = body->seq;
    previous_ = body->hash;
    return std::nullopt;
  }
  if (file.may_begin_anew && body->seq < last_) {
    begin_anew(body->seq, body->hash);
    return std::nullopt;
  }
  if (body->seq > last_)
    return end(ExportVerdict::gap, last_ + 1, "The next file begins further on: a segment is missing.");
  if (body->seq < last_ || body->hash != previous_)
    return end(ExportVerdict::altered, last_ + 1, "The next file does not begin where this one ends.");
  return std::nullopt;
}

namespace {

bool any_like_ours(std::istream& in) {
  std::string line;
  while (std::getline(in, line)) {
    if (is_like_ours(line)) return true;
  }
  return false;
}

}  // namespace

std::optional<ExportReport> ExportCheck::entry(File& file, const std::string& line) {
  const auto entry = parse_entry(line);
  // One line that is altered leaves others. Of a letter, or a configuration that was named by mistake, nobody
  // is to hear that the ledger was altered.
  if (!entry && file.first_line && !is_like_ours(line) && !any_like_ours(file.in))
    return end(ExportVerdict::unreadable, last_, "It is not an export or a segment of a ledger");
  if (!entry) return broken(file, last_ + 1, "A line is not a ledger entry.");
  // One that begins further on begins with a base, which is looked at where it stands.
  if (file.may_begin_anew && file.first_line && report_.entries > 0 && entry->seq == 1)
    begin_anew(0, base::Digest{});
  if (entry->seq != last_ + 1) return misplaced(file, *entry);
  if (sealed_store::chain_hash(previous_, *entry) != entry->hash)
    return end(ExportVerdict::altered, entry->seq, "An entry's hash does not hold.");
  if (auto wrong = acts_.take(*entry)) return end(ExportVerdict::act_refused, entry->seq, std::move(*wrong));
  previous_ = entry->hash;
  last_ = entry->seq;
  if (report_.entries++ == 0) report_.from = entry->seq;
  if (file.from == 0) file.from = entry->seq;
  return follow(*entry);
}

// Another number than the next one: it was edited, the entry was moved, or what belongs here is gone.
ExportReport ExportCheck::misplaced(File& file, sealed_store::LedgerEntry entry) {
  const std::uint64_t wanted = last_ + 1;
  const bool too_late = entry.seq < wanted;
  entry.seq = wanted;
  if (sealed_store::chain_hash(previous_, entry) == entry.hash)
    return end(ExportVerdict::altered, wanted, "An entry's number was changed.");
  if (too_late) return end(ExportVerdict::altered, wanted, "An entry stands there a second time.");
  const std::string start = "{\"seq\":" + std::to_string(wanted) + ",";
  std::string line;
  while (std::getline(file.in, line)) {
    if (line.starts_with(start))
      return end(ExportVerdict::altered, wanted, "Entries are exchanged: this one stands further on.");
  }
  return end(ExportVerdict::gap, wanted, "An entry is missing.");
}

ExportReport ExportCheck::closing(File& file, const std::string& line) {
  boost::system::error_code error;
  const auto value = json::parse(line, error);
  if (error) return broken(file, last_, "The checkpoint line is not JSON.");
  const auto* note = value.get_object().if_contains("checkpoint");
  const auto* carried = value.get_object().if_contains("keys");
  if (note == nullptr || !note->is_string() || carried == nullptr || json::serialize(value) != line ||
      value.get_object().size() != 2)
    return end(ExportVerdict::altered, last_, "The checkpoint line has another shape.");
  const auto own = parse_key_set(json::serialize(*carried));
  if (!own) return end(ExportVerdict::altered, last_, "The keys of the checkpoint line are not a JWK set.");
  report_.own_keys = !keys_.has_value();
  const auto& keys = keys_ ? *keys_ : *own;
  if (file.base) {
    if (auto wrong = signed_by(check_note(*file.base, keys), "The base")) return *wrong;
  }
  return compare(file, check_note(note->get_string(), keys));
}

std::optional<ExportReport> ExportCheck::signed_by(const NoteCheck& check, const char* what) {
  const std::string name(what);
  if (!check.body) return end(ExportVerdict::altered, last_, name + " is not a signed note.");
  if (!check.known)
    return end(ExportVerdict::unknown_key, last_,
               name + " is signed by a key that is not among those given.");
  if (!check.holds) return end(ExportVerdict::altered, last_, name + "'s signature does not hold.");
  return std::nullopt;
}

ExportReport ExportCheck::compare(File& file, const NoteCheck& check) {
  if (auto wrong = signed_by(check, "The checkpoint")) return *wrong;
  std::string after;
  if (std::getline(file.in, after))
    return end(ExportVerdict::altered, last_, "There is something after the checkpoint.");
  if (check.body->seq > last_)
    return end(ExportVerdict::cut_tail, last_,
               "The checkpoint is over entry " + std::to_string(check.body->seq) + ".");
  if (check.body->seq != last_ || check.body->hash != previous_)
    return end(ExportVerdict::altered, last_, "The chain does not end in the checkpoint's hash.");
  if (check.body->segment_from && *check.body->segment_from != file.from)
    return end(ExportVerdict::altered, last_,
               "The segment began with another entry than its checkpoint says.");
  if (auto wrong = undeclared()) return *wrong;
  if (auto wrong = acts_.end()) return end(ExportVerdict::act_refused, last_, std::move(*wrong));
  report_.checkpoint = check.body;
  return end(ExportVerdict::intact, last_, "Every entry is in its place, up to the signed checkpoint.");
}

}  // namespace sigillo::appliance
