// People: the bench's citizens. The n-th one's codice fiscale and PINs follow from n and a seed, so that what
// fills an appliance and what puts load on it, two processes, agree without a list between them. Thread rule:
// pure functions. Never: in a program that is shipped; PINs drawn like this are worth nothing.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace sigillo::bench {

inline std::uint64_t mix(std::uint64_t x) {  // splitmix64's finaliser
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

inline constexpr std::size_t kCodeLength = 16;
inline constexpr std::size_t kPinLength = 8;
using Code = std::array<char, kCodeLength>;
using PinText = std::array<char, kPinLength>;

// Six consonants count: 85 million different people.
inline Code code_of(std::uint64_t n) {
  static constexpr std::string_view kConsonants = "BCDFGHJKLMNPQRSTVWXYZ";
  static constexpr std::string_view kMonths = "ABCDEHLMPRST";
  static constexpr std::array<int, 26> kOdd = {1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                                               20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};
  Code out{};
  const auto digits = [&out](std::size_t at, std::uint64_t value) {
    out[at] = static_cast<char>('0' + value / 10 % 10);
    out[at + 1] = static_cast<char>('0' + value % 10);
  };
  std::uint64_t rest = n;
  for (std::size_t i = 0; i < 6; ++i, rest /= kConsonants.size())
    out[i] = kConsonants[rest % kConsonants.size()];
  const auto random = mix(n);
  digits(6, random % 100);
  out[8] = kMonths[random / 100 % 12];
  digits(9, random / 1200 % 28 + 1);
  out[11] = static_cast<char>('A' + random / 50000 % 12);
  digits(12, random / 700000 % 100);
  digits(13, random / 90000000 % 100);
  int sum = 0;
  for (std::size_t i = 0; i < 15; ++i) {
    const int order = out[i] <= '9' ? out[i] - '0' : out[i] - 'A';
    sum += i % 2 == 0 ? kOdd[static_cast<std::size_t>(order)] : order;
  }
  out[15] = static_cast<char>('A' + sum % 26);
  return out;
}

enum class Secret : std::uint64_t { definitive = 1, first_half = 2, second_half = 3 };

inline PinText pin_of(std::uint64_t seed, std::uint64_t n, Secret which) {
  static constexpr std::string_view kAlphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
  auto bits = mix(mix(seed) ^ mix(n * 4 + static_cast<std::uint64_t>(which)));
  PinText out{};
  for (auto& c : out) {
    c = kAlphabet[bits % 32];
    bits /= 32;
  }
  return out;
}
// One that is not theirs: another first character.
inline PinText wrong(PinText right) {
  right[0] = right[0] == 'A' ? 'B' : 'A';
  return right;
}

inline std::string_view text(const Code& code) {
  return {code.data(), code.size()};
}
inline std::string_view text(const PinText& pin) {
  return {pin.data(), pin.size()};
}

}  // namespace sigillo::bench
