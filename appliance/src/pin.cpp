#include <appliance/pin.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace sigillo::appliance {
namespace {

constexpr std::string_view kTokenAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t kTokenLength = 43;
constexpr std::size_t kTokenRandom = 32;

void must(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "sigillo: %s\n", what);
  std::abort();
}

// By ranges and not by a table: what is read then does not depend on the character.
bool in_pin_alphabet(base::Byte c) {
  return (c >= 'A' && c <= 'Z' && c != 'I' && c != 'O') || (c >= '2' && c <= '9');
}

// `bits` of the alphabet's characters at a time, big-endian; a last short group is filled up with zeros.
void encode(base::ByteView random, std::string_view alphabet, int bits, std::span<base::Byte> out) {
  std::uint32_t held = 0;
  int count = 0;
  auto next = out.begin();
  const std::uint32_t mask = (1U << bits) - 1U;
  for (const base::Byte byte : random) {
    held = (held << 8) | byte;
    count += 8;
    while (count >= bits) {
      count -= bits;
      *next++ = static_cast<base::Byte>(alphabet[(held >> count) & mask]);
    }
  }
  if (count > 0) *next++ = static_cast<base::Byte>(alphabet[(held << (bits - count)) & mask]);
  base::wipe({reinterpret_cast<base::Byte*>(&held), sizeof held});
  must(next == out.end(), "a code of the wrong length");
}

}  // namespace

std::optional<Pin> Pin::parse(base::ByteView text) {
  base::Secret characters(2 * kHalfLength);
  std::size_t length = 0;
  for (base::Byte c : text) {
    if (c == ' ' || c == '-') continue;
    if (c >= 'a' && c <= 'z') c = static_cast<base::Byte>(c - 'a' + 'A');
    if (length == characters.size() || !in_pin_alphabet(c)) return std::nullopt;
    characters.writable()[length++] = c;
  }
  if (length == characters.size()) return Pin(std::move(characters));
  if (length == kHalfLength) return Pin(base::Secret(characters.expose().first(kHalfLength)));
  return std::nullopt;
}

Pin Pin::from_random(const base::Secret& random) {
  must(random.size() == kRandomPerHalf, "a PIN needs exactly 40 random bits");
  base::Secret characters(kHalfLength);
  encode(random.expose(), kPinAlphabet, 5, characters.writable());
  return Pin(std::move(characters));
}

base::Secret Pin::shown() const {
  constexpr std::size_t kGroup = 4;
  base::Secret out(length() + length() / kGroup - 1);
  auto next = out.writable().begin();
  for (std::size_t i = 0; i < length(); ++i) {
    if (i != 0 && i % kGroup == 0) *next++ = '-';
    *next++ = characters()[i];
  }
  return out;
}

std::optional<LinkToken> LinkToken::parse(base::ByteView text) {
  if (text.size() != kTokenLength) return std::nullopt;
  const bool known = std::all_of(text.begin(), text.end(), [](base::Byte c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  if (!known) return std::nullopt;
  return LinkToken(base::Secret(text));
}

LinkToken LinkToken::from_random(const base::Secret& random) {
  must(random.size() == kTokenRandom, "a link token needs exactly 256 random bits");
  base::Secret characters(kTokenLength);
  encode(random.expose(), kTokenAlphabet, 6, characters.writable());
  return LinkToken(std::move(characters));
}

}  // namespace sigillo::appliance
