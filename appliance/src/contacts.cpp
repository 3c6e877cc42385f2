#include <appliance/contacts.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "rome_time.hpp"
#include "utf8.hpp"

namespace sigillo::appliance {
namespace {

// Latin-1's letters in UTF-8: U+00C0 to U+00FF, but the two signs among them.
constexpr unsigned char kLatin1 = 0xc3, kTimes = 0x97, kDivide = 0xb7, kLastCapital = 0x9e, kSharpS = 0x9f;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
char lower(char c) {
  return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
}
bool is_alnum(char c) {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z');
}
// 1 to 32 letters, digits and `signs`, not signs alone.
bool is_word(std::string_view text, std::string_view signs) {
  return text.size() <= 32 && std::any_of(text.begin(), text.end(), is_alnum) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_alnum(c) || signs.find(c) != std::string_view::npos; });
}
bool all_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), is_digit);
}
int number(std::string_view digits) {
  int out = 0;
  for (const char c : digits) out = out * 10 + (c - '0');
  return out;
}

// An address is printed on an envelope and compared by people:
//  1. a portal that was broken into registers an address with a line break or a right-to-left override in it;
//  2. the letter shows one street to the operator who checks it, and goes to another.
// So nothing that is not seen is taken: controls, line and paragraph separators, joiners, direction marks,
// private use.
bool is_unseen(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0xad || c == 0x061c || c == 0x180e ||
         (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
         (c >= 0xe000 && c <= 0xf8ff) || c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) ||
         (c & 0xfffeU) == 0xfffeU || c >= 0xe0000;
}
bool is_blank(char32_t c) {
  return c == ' ' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

bool printable(std::string_view text, std::size_t characters_max) {
  std::size_t count = 0;
  bool blank = true;
  while (!text.empty()) {
    const auto code = next_code_point(text);
    if (!code || is_unseen(*code) || ++count > characters_max) return false;
    blank = blank && is_blank(*code);
  }
  return !blank;
}

bool is_atext(char c) {
  return is_alnum(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

// RFC 5321 section 4.1.2 `Dot-string`; the quoted form is no address that a citizen has.
bool valid_local_part(std::string_view local) {
  if (local.empty() || local.size() > 64 || local.front() == '.' || local.back() == '.') return false;
  for (std::size_t i = 0; i < local.size(); ++i) {
    if (local[i] == '.' ? local[i - 1] == '.' : !is_atext(local[i])) return false;
  }
  return true;
}

// At least two labels of letters, digits and hyphens (RFC 5321 section 2.3.5, RFC 1035 section 2.3.4).
bool valid_domain(std::string_view domain) {
  if (domain.size() > 253) return false;
  std::size_t labels = 0;
  std::string_view label;
  while (true) {
    const auto dot = domain.find('.');
    label = domain.substr(0, dot);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    if (!std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-'; }))
      return false;
    ++labels;
    if (dot == std::string_view::npos) break;
    domain.remove_prefix(dot + 1);
  }
  return labels >= 2 && !all_digits(label);
}

}  // namespace

std::string_view name(Medium medium) {
  switch (medium) {
    case Medium::sms:
      return "sms";
    case Medium::email:
      return "email";
    case Medium::pec:
      return "pec";
    case Medium::post:
      return "post";
    case Medium::voice:
      return "voice";
    case Medium::counter:
      return "counter";
  }
  std::abort();
}

std::string_view name(Half half) {
  switch (half) {
    case Half::first:
      return "first";
    case Half::second:
      return "second";
    case Half::whole:
      return "whole";
  }
  std::abort();
}

std::string_view name(Route route) {
  switch (route) {
    case Route::upload:
      return "upload";
    case Route::fax:
      return "fax";
    case Route::in_person:
      return "in-person";
  }
  std::abort();
}

std::optional<Date> Date::parse(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  if (!all_digits(text.substr(0, 4)) || !all_digits(text.substr(5, 2)) || !all_digits(text.substr(8, 2)))
    return std::nullopt;
  const int year = number(text.substr(0, 4));
  const int month = number(text.substr(5, 2));
  const int day = number(text.substr(8, 2));
  if (year < 1900) return std::nullopt;  // 9999: what does not expire
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  return Date{static_cast<std::int16_t>(year), static_cast<std::uint8_t>(month),
              static_cast<std::uint8_t>(day)};
}

Date Date::of(base::Instant instant) {
  const std::chrono::year_month_day local(std::chrono::floor<std::chrono::days>(rome_wall_clock(instant)));
  return {static_cast<std::int16_t>(static_cast<int>(local.year())),
          static_cast<std::uint8_t>(static_cast<unsigned>(local.month())),
          static_cast<std::uint8_t>(static_cast<unsigned>(local.day()))};
}

std::string Date::text() const {
  const auto padded = [](int value, std::size_t width) {
    std::string digits = std::to_string(value);
    return digits.size() < width ? std::string(width - digits.size(), '0') + digits : digits;
  };
  return padded(year, 4) + '-' + padded(month, 2) + '-' + padded(day, 2);
}

std::optional<std::string> parse_e164(std::string_view text) {
  if (text.size() < 9 || text.size() > 16 || text[0] != '+' || text[1] == '0' || !all_digits(text.substr(1)))
    return std::nullopt;
  return std::string(text);
}

std::optional<std::string> parse_mail(std::string_view text) {
  if (text.size() > 254) return std::nullopt;  // RFC 5321 section 4.5.3.1.3: a path of 256 with its brackets
  const auto at = text.rfind('@');
  if (at == std::string_view::npos || !valid_local_part(text.substr(0, at)) ||
      !valid_domain(text.substr(at + 1)))
    return std::nullopt;
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

std::optional<std::string> parse_sha256(std::string_view text) {
  if (text.size() != 64) return std::nullopt;
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  if (!std::all_of(out.begin(), out.end(), [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }))
    return std::nullopt;
  return out;
}

bool valid_postal(const PostalAddress& address) {
  const auto code = [](std::string_view text) {
    return text.size() == 2 && is_upper(text[0]) && is_upper(text[1]);
  };
  if (!printable(address.name, 100) || !printable(address.street, 100) || !printable(address.city, 100))
    return false;
  if (!code(address.country)) return false;
  if (address.country == "IT")
    return address.postcode.size() == 5 && all_digits(address.postcode) && code(address.province);
  // Abroad both are as the country has it, and some have none.
  return (address.postcode.empty() || printable(address.postcode, 16)) &&
         (address.province.empty() || printable(address.province, 64));
}

bool valid_document(const Document& document) {
  // The channel saw it, and knows what counts as one (DPR 445/2000, art. 1 and 35): here it is a word.
  if (!is_word(document.type, " -_") || !is_word(document.number, " -")) return false;
  return !document.sha256 || parse_sha256(*document.sha256) == document.sha256;
}

bool valid_health_card_number(std::string_view text) {
  return text.size() == 20 && all_digits(text);
}

// Attack on the four eyes: (1) register evidence as "Niccolò". (2) Decide as "NICCOLÒ", as "Niccolò " or with
// the accent as a character of its own: one name, told apart. So no more is taken than what is compared.
std::optional<std::string> parse_operator(std::string_view text) {
  if (text.empty() || text.size() > 64 || text.front() == ' ' || text.back() == ' ') return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == kLatin1 && i + 1 < text.size()) {
      const auto low = static_cast<unsigned char>(text[++i]);
      if (low < 0x80 || low > 0xbf || low == kTimes || low == kDivide) return std::nullopt;
    } else if (c < ' ' || c > '~' || (c == ' ' && text[i - 1] == ' ')) {
      return std::nullopt;
    }
  }
  return std::string(text);
}

bool same_operator(std::string_view a, std::string_view b) {
  const auto folded = [](std::string_view name) {
    std::string out;
    for (std::size_t i = 0; i < name.size(); ++i) {
      const auto c = static_cast<unsigned char>(name[i]);
      if (c != kLatin1 || i + 1 == name.size()) {
        out += lower(name[i]);
        continue;
      }
      const auto low = static_cast<unsigned char>(name[++i]);
      if (low == kSharpS) {
        out += "ss";  // as in capitals
      } else {
        out += name[i - 1];
        out += static_cast<char>(low <= kLastCapital ? low + 0x20 : low);
      }
    }
    return out;
  };
  return folded(a) == folded(b);
}

std::string masked_number(std::string_view e164) {
  constexpr std::size_t kHead =
      3;  // the plus and two digits: Italy's code whole, of any other no more than the country
  constexpr std::size_t kTail = 3;
  std::string out(e164.substr(0, kHead));
  for (std::size_t i = kHead; i + kTail < e164.size(); ++i) out += "•";
  out += e164.substr(e164.size() - std::min(kTail, e164.size()));
  return out;
}

std::string masked_mail(std::string_view mail) {
  const auto at = mail.rfind('@');
  return std::string(mail.substr(0, 1)) + "•••••" + std::string(mail.substr(std::min(at, mail.size())));
}

std::string masked_postal(const PostalAddress& address) {
  return address.postcode.empty() ? address.city : address.postcode + ' ' + address.city;
}

}  // namespace sigillo::appliance
