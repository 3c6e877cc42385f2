// Subject: a codice fiscale, validated once at the door. Natural persons: 16 characters (DM 23 December
// 1976): surname and name, date of birth (women: day + 40), place by its shape, check character; omocodia
// replaces digits by LMNPQRSTUV. Legal persons: 11 digits with the check digit of a partita IVA (Luhn). Held
// in upper case. It travels from the door to the blind index and no further; it is never logged, stored or
// put into a URL. Thread rule: a value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sigillo::appliance {

class Subject {
 public:
  enum class Kind : std::uint8_t { natural_person, legal_person };

  // Nothing where length, shape, date or check character do not hold. Lower case is taken; spaces are not.
  static std::optional<Subject> parse(std::string_view text);

  const std::string& text() const { return text_; }
  Kind kind() const { return text_.size() == 11 ? Kind::legal_person : Kind::natural_person; }
  // What a message may show of it: the last three characters.
  std::string hint() const { return std::string(text_.size() - 3, '*') + text_.substr(text_.size() - 3); }
  bool operator==(const Subject&) const = default;

 private:
  explicit Subject(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

}  // namespace sigillo::appliance
