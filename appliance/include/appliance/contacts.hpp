// What a subject can be reached by and what proves who it is: contacts, health card, evidence. All validated
// at the door; inside, a value of these types is well formed. Personal data: stored in sealed records only,
// shown masked. Thread rule: values.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <base/clock.hpp>

namespace sigillo::appliance {

enum class Medium : std::uint8_t { sms = 1, email = 2, pec = 3, post = 4, voice = 5, counter = 6 };
enum class Half : std::uint8_t { first = 1, second = 2, whole = 3 };
std::string_view name(Medium medium);  // the API's word
std::string_view name(Half half);

struct Date {  // proleptic Gregorian, always a date that exists
  std::int16_t year = 1970;
  std::uint8_t month = 1;
  std::uint8_t day = 1;
  static std::optional<Date> parse(std::string_view text);  // YYYY-MM-DD, 1900 to 9999
  static Date of(base::Instant instant);  // in Europe/Rome: an Italian document expires at midnight there
  std::string text() const;
  auto operator<=>(const Date&) const = default;
};

struct PostalAddress {
  std::string name, street, postcode, city, province,
      country;  // name and street up to 100 characters; country ISO 3166 alpha-2
  bool operator==(const PostalAddress&) const = default;
};

struct Contacts {
  std::optional<std::string> mobile;  // E.164
  std::optional<std::string> email;   // lower case
  std::optional<std::string> pec;     // lower case
  std::optional<std::string> phone;   // E.164; for calling back, never for delivery
  std::optional<PostalAddress> postal;
  bool empty() const { return !mobile && !email && !pec && !phone && !postal; }
};

struct HealthCard {
  std::string
      number;  // 20 digits, Luhn check over ISO/IEC 7812 with issuer 80380 is not demanded: regions differ
  Date expires;
  bool operator==(const HealthCard&) const = default;
};

enum class Route : std::uint8_t { upload = 1, fax = 2, in_person = 3 };
std::string_view name(Route route);

struct Document {
  std::string type;    // "identity-card", "passport", "driving-licence"
  std::string number;  // 1 to 32 of [A-Za-z0-9 -]
  Date expires;
  std::optional<std::string> sha256;  // 64 hex digits, kept in lower case
};

struct Evidence {
  std::optional<Route> route;
  std::optional<std::string> form_sha256;
  Document document;
};

// Normalising parsers of single values: nothing where malformed. Postal members: printable UTF-8 without
// controls, not blank.
std::optional<std::string> parse_e164(
    std::string_view text);  // RFC 3966 digits with +, 8 to 15 digits; spaces refused
std::optional<std::string> parse_mail(
    std::string_view text);  // one addr-spec of RFC 5321 size, ASCII, lower-cased, no comments
std::optional<std::string> parse_sha256(std::string_view text);
bool valid_postal(const PostalAddress& address);  // IT: postcode 5 digits, province 2 letters
bool valid_document(const Document& document);
bool valid_health_card_number(std::string_view text);
// Operators are compared by name alone, across channels, ignoring case. 1 to 64 bytes of ASCII's printable
// characters and Latin-1's letters (U+00C0 to U+00FF, in UTF-8), no blank at an end and no two in a row.
std::optional<std::string> parse_operator(std::string_view text);
bool same_operator(std::string_view a, std::string_view b);

// "+39•••••••567", "m•••••@example.it", "00153 Roma".
std::string masked_number(std::string_view e164);
std::string masked_mail(std::string_view mail);
std::string masked_postal(const PostalAddress& address);

}  // namespace sigillo::appliance
