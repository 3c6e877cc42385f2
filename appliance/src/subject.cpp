#include <appliance/subject.hpp>

#include <array>

namespace sigillo::appliance {
namespace {

constexpr std::size_t kNaturalLength = 16;
constexpr std::size_t kLegalLength = 11;
constexpr std::string_view kMonths = "ABCDEHLMPRST";  // DM 23 December 1976, art. 5
constexpr std::string_view kOmocodia = "LMNPQRSTUV";  // 0 to 9, where two people would share a code (art. 6)
constexpr std::array<int, 12> kDaysOfMonth = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
constexpr int kFemaleOffset = 40;
// Odd places of the check character count these for A/0, B/1, ...; even places count the letter's or digit's
// own order.
constexpr std::array<int, 26> kOddValue = {1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                                           20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};

bool is_letter(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// A digit, or the letter that stands for it in omocodia.
std::optional<int> digit(char c) {
  if (is_digit(c)) return c - '0';
  const auto at = kOmocodia.find(c);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<int>(at);
}

std::optional<int> number(char tens, char units) {
  const auto high = digit(tens);
  const auto low = digit(units);
  if (!high || !low) return std::nullopt;
  return *high * 10 + *low;
}

// The two digits of the year name no century, so 29 February needs one leap year among those it may mean: yy
// = 00 may be 2000.
bool date_exists(int year, std::size_t month, int day) {
  if (day > kFemaleOffset) day -= kFemaleOffset;
  if (day < 1 || day > kDaysOfMonth[month]) return false;
  return month != 1 || day != 29 || year % 4 == 0;
}

// The check character is over the characters as written: an omocodic code has one of its own.
char check_character(std::string_view code) {
  int sum = 0;
  for (std::size_t i = 0; i < kNaturalLength - 1; ++i) {
    const int order = is_digit(code[i]) ? code[i] - '0' : code[i] - 'A';
    sum += i % 2 == 0 ? kOddValue[static_cast<std::size_t>(order)] : order;
  }
  return static_cast<char>('A' + sum % 26);
}

bool valid_natural(std::string_view code) {
  for (std::size_t i = 0; i < 6; ++i) {
    if (!is_letter(code[i])) return false;
  }
  const auto year = number(code[6], code[7]);
  const auto month = kMonths.find(code[8]);
  const auto day = number(code[9], code[10]);
  if (!year || month == std::string_view::npos || !day || !date_exists(*year, month, *day)) return false;
  if (!is_letter(code[11]) || !digit(code[12]) || !digit(code[13]) || !digit(code[14])) return false;
  return code[15] == check_character(code);
}

bool valid_legal(std::string_view code) {
  int sum = 0;
  for (std::size_t i = 0; i < kLegalLength; ++i) {
    if (!is_digit(code[i])) return false;
    int value = code[i] - '0';
    if (i % 2 == 1) value = value * 2 > 9 ? value * 2 - 9 : value * 2;
    sum += value;
  }
  return sum % 10 == 0;
}

}  // namespace

std::optional<Subject> Subject::parse(std::string_view text) {
  if (text.size() != kNaturalLength && text.size() != kLegalLength) return std::nullopt;
  std::string code(text);
  for (char& c : code) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    // Only these may be looked up in the tables below, and find() must not meet a NUL.
    if (!is_letter(c) && !is_digit(c)) return std::nullopt;
  }
  const bool valid = code.size() == kNaturalLength ? valid_natural(code) : valid_legal(code);
  if (!valid) return std::nullopt;
  return Subject(std::move(code));
}

}  // namespace sigillo::appliance
