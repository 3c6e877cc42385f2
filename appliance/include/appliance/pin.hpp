// Pin: 8 or 16 characters of the 32-character alphabet without I O 0 1, in locked memory. Input is taken in
// either case, spaces and hyphens do not count. Uniform by construction: 5 random bits a character, no
// modulo. Thread rule: a value, moved, never copied.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <base/secret.hpp>

namespace sigillo::appliance {

inline constexpr std::string_view kPinAlphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
inline constexpr std::size_t kHalfLength = 8;
inline constexpr std::size_t kRandomPerHalf = 5;  // bytes: 8 characters of 5 bits

class Pin {
 public:
  // Nothing where, after normalising, it is not 8 or 16 characters of the alphabet.
  static std::optional<Pin> parse(base::ByteView text);
  // A half or a definitive PIN from exactly kRandomPerHalf random bytes.
  static Pin from_random(const base::Secret& random);

  std::size_t length() const { return characters_.size(); }
  bool is_whole() const { return length() == 2 * kHalfLength; }
  base::ByteView characters() const { return characters_.expose(); }
  base::ByteView first_half() const { return characters().first(kHalfLength); }
  base::ByteView second_half() const {
    return characters().last(kHalfLength);
  }                            // of 16; of 8 the same as the first
  base::Secret shown() const;  // XXXX-XXXX (a whole PIN: four groups)
  Pin clone() const { return Pin(characters_.clone()); }

 private:
  explicit Pin(base::Secret characters) : characters_(std::move(characters)) {}
  base::Secret characters_;
};

// 43 base64url characters of 32 random bytes: the token of a link. Any other string is no token.
class LinkToken {
 public:
  static std::optional<LinkToken> parse(base::ByteView text);
  static LinkToken from_random(const base::Secret& random);  // 32 bytes
  base::ByteView characters() const { return characters_.expose(); }
  LinkToken clone() const { return LinkToken(characters_.clone()); }

 private:
  explicit LinkToken(base::Secret characters) : characters_(std::move(characters)) {}
  base::Secret characters_;
};

}  // namespace sigillo::appliance
