#include <appliance/messages.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "built_in_templates.hpp"
#include "notice_events.hpp"
#include "rome_time.hpp"
#include "utf8.hpp"

namespace sigillo::appliance {
namespace {

constexpr std::string_view kSubjectLine = "Subject: ";
constexpr std::string_view kSuffix = ".txt";
constexpr std::uintmax_t kTextMax = 8192;

std::string_view name(Language language) {
  switch (language) {
    case Language::it:
      return "it";
    case Language::de:
      return "de";
    case Language::en:
      return "en";
  }
  std::abort();
}

// A template as it is rendered: its literal text, each piece followed by a place; the last one by none.
struct Piece {
  std::string_view literal;
  std::string_view place;
};
std::optional<std::vector<Piece>> parse_template(std::string_view text) {
  std::vector<Piece> pieces;
  while (true) {
    const auto open = text.find_first_of("{}");
    if (open == std::string_view::npos) break;
    const auto close = text.find_first_of("{}", open + 1);
    if (text[open] == '}' || close == std::string_view::npos || text[close] == '{') return std::nullopt;
    pieces.push_back({text.substr(0, open), text.substr(open + 1, close - open - 1)});
    text.remove_prefix(close + 1);
  }
  pieces.push_back({text, {}});
  return pieces;
}

struct Places {
  std::vector<std::string_view> required, optional;
};
Places places_of(std::string_view kind) {
  if (kind == "notice") return {{"event"}, {"subject_hint", "delivery_id"}};
  if (kind.starts_with("link."))
    return {{"link_token", "reference"}, {"subject_hint", "delivery_id", "expires"}};
  return {{"pin"}, {"subject_hint", "delivery_id", "expires"}};
}

bool among(const std::vector<std::string_view>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// It becomes a JSON string and a printed letter: UTF-8, and of the controls only the line feed.
bool printable(std::string_view text) {
  while (!text.empty()) {
    const auto code = next_code_point(text);
    if (!code || (*code < 0x20 && *code != '\n') || (*code >= 0x7f && *code < 0xa0)) return false;
  }
  return true;
}

// What is wrong with a template; empty where nothing is. `key` is "<kind>.<medium>.<language>".
std::string fault(std::string_view key, std::string_view text) {
  if (!printable(text)) return "is not UTF-8 text with line feeds only: save it so";
  const auto pieces = parse_template(text);
  if (!pieces) return "has a brace that belongs to no place: write places as {name} and use no other braces";
  const std::string_view without_language = key.substr(0, key.rfind('.'));
  const std::string_view kind = without_language.substr(0, without_language.rfind('.'));
  const std::string_view medium = without_language.substr(without_language.rfind('.') + 1);
  const Places places = places_of(kind);
  for (const auto& piece : *pieces) {
    if (piece.place.empty() && &piece == &pieces->back()) break;
    if (among(places.required, piece.place) || among(places.optional, piece.place)) continue;
    return "names {" + std::string(piece.place) + "}, which this kind does not have: remove it";
  }
  for (const auto place : places.required) {
    const bool there =
        std::any_of(pieces->begin(), pieces->end(), [&](const Piece& piece) { return piece.place == place; });
    if (!there) return "lacks {" + std::string(place) + "}: without it the message is of no use";
  }
  if (medium != "email" && medium != "pec") return {};
  const std::string_view first_line = text.substr(0, text.find('\n'));
  if (!first_line.starts_with(kSubjectLine) || first_line.size() == kSubjectLine.size())
    return "must begin with a line \"Subject: ...\"";
  if (text.substr(first_line.size(), 2) != "\n\n") return "must have an empty line after its subject line";
  // Mail servers log subject lines, and locked telephones show them.
  if (first_line.find("{pin}") != std::string_view::npos ||
      first_line.find("{link_token}") != std::string_view::npos) {
    return "has a secret in its subject line: move it into the text";
  }
  return {};
}

std::string_view without_trailing_lines(std::string_view text) {
  const auto last = text.find_last_not_of(" \n");
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

std::string time_text(base::Instant instant, Language language) {
  using namespace std::chrono;
  constexpr std::array<const char*, 12> kMonths = {"January",   "February", "March",    "April",
                                                   "May",       "June",     "July",     "August",
                                                   "September", "October",  "November", "December"};
  const auto local = rome_wall_clock(instant);
  const auto midnight = floor<days>(local);
  const year_month_day date(midnight);
  const hh_mm_ss time(floor<minutes>(local - midnight));
  const auto two = [](auto value) { return (value < 10 ? "0" : "") + std::to_string(value); };
  const std::string clock = two(time.hours().count()) + ':' + two(time.minutes().count());
  const std::string year = std::to_string(static_cast<int>(date.year()));
  const auto month = static_cast<unsigned>(date.month());
  const auto day = static_cast<unsigned>(date.day());
  switch (language) {
    case Language::it:
      return two(day) + '/' + two(month) + '/' + year + " ore " + clock;
    case Language::de:
      return two(day) + '.' + two(month) + '.' + year + ", " + clock + " Uhr";
    case Language::en:
      return std::to_string(day) + ' ' + kMonths[month - 1] + ' ' + year + ", " + clock;
  }
  std::abort();
}

std::optional<std::string> read_text(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error || size > kTextMax) return std::nullopt;
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return std::nullopt;
  return std::move(text).str();
}

}  // namespace

std::string_view name(MessageKind kind) {
  switch (kind) {
    case MessageKind::first_half:
      return "pin.first-half";
    case MessageKind::second_half:
      return "pin.second-half";
    case MessageKind::whole:
      return "pin.whole";
    case MessageKind::definitive:
      return "pin.definitive";
    case MessageKind::recovery_link:
      return "link.recovery";
    case MessageKind::revocation_link:
      return "link.revocation";
    case MessageKind::notice:
      return "notice";
  }
  std::abort();
}

Messages Messages::built_in() {
  Messages messages;
  for (const auto& each : built_in_templates()) {
    const std::string key(each.file.substr(0, each.file.size() - kSuffix.size()));
    messages.texts_.emplace(key, without_trailing_lines(each.text));
  }
  return messages;
}

std::variant<Messages, std::string> Messages::load(const std::string& folder) {
  Messages messages = built_in();
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  if (error)
    return folder + ": the folder of messages cannot be read: correct messages.folder or make it readable.";
  for (; entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const auto& path = entry->path();
    if (path.extension() != kSuffix) continue;
    const auto place = messages.texts_.find(path.stem().string());
    if (place == messages.texts_.end()) {
      return path.string() +
             ": no message has this name: name it <kind>.<medium>.<language>.txt like a built-in one.";
    }
    const auto text = read_text(path);
    if (!text) return path.string() + ": cannot be read, or is over 8 KiB: make it readable and shorter.";
    const std::string_view trimmed = without_trailing_lines(*text);
    if (const std::string what = fault(place->first, trimmed); !what.empty())
      return path.string() + ": " + what + '.';
    place->second = trimmed;
  }
  if (error) return folder + ": the folder of messages cannot be read to its end.";
  return messages;
}

base::Secret Messages::render(MessageKind kind, Medium medium, Language language,
                              const MessageValues& values) const {
  std::string key(appliance::name(kind));
  key.append(1, '.').append(appliance::name(medium)).append(1, '.').append(name(language));
  const auto found = texts_.find(key);
  if (found == texts_.end()) return {};
  const auto pieces = parse_template(found->second);
  const std::string expires = time_text(values.expires_at, language);
  const auto value_of = [&](std::string_view place) -> base::ByteView {
    if (place == "pin" || place == "link_token")
      return values.secret != nullptr ? values.secret->expose() : base::ByteView();
    if (place == "delivery_id") return base::view(values.delivery_id);
    if (place == "subject_hint") return base::view(values.subject_hint);
    if (place == "reference") return base::view(values.reference);
    if (place == "expires") return base::view(expires);
    if (place == "event" && values.event) return base::view(event_text(*values.event, language));
    return {};
  };
  // Measured first, so that the secret is written once, into locked memory, and nothing grows around it.
  std::vector<base::ByteView> parts;
  std::size_t size = 0;
  for (const auto& piece : *pieces) {
    for (const auto part : {base::view(piece.literal), value_of(piece.place)}) {
      parts.push_back(part);
      size += part.size();
    }
  }
  base::Secret out(size);
  auto next = out.writable().begin();
  for (const auto part : parts) next = std::copy(part.begin(), part.end(), next);
  return out;
}

}  // namespace sigillo::appliance
