// Custodian shares: a token's PIN, drawn here and seen whole by nobody, split so that any `threshold` of
// `count` custodians together authorise its use (Shamir's scheme over GF(256), by libgfshare). A share is 64
// characters for a hand and an eye: four rows of four groups of four, each row with a check of its own, the
// whole with a BCH code, so that what was mistyped is told at once and where. It says which appliance and
// which splitting it is of, and its number. Never called recovery: it authorises, and brings no key back.
// Thread rule: values; pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <base/secret.hpp>

namespace sigillo::base {

inline constexpr std::string_view kShareAlphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
inline constexpr unsigned kShareRows = 4;
inline constexpr unsigned kShareRowLength = 16;  // without blanks
inline constexpr unsigned kSharesMax = 16;

// What the shares of a set are good for, together. Two sets, so that who unseals an appliance, and the
// machine on which that is done, has not also what opens the backup of its keys.
enum class ShareKind : std::uint8_t { authorisation = 0, backup = 1 };
std::string_view name(ShareKind kind);  // "authorisation share"

// What the shares of one splitting have in common. Public: it may stand in a file or a log.
struct ShareSet {
  ShareKind kind = ShareKind::authorisation;
  std::string appliance;  // 5 characters: share_mark() of the appliance's name
  std::string set;        // 5 characters, random: which splitting
  unsigned threshold = 0;
  unsigned count = 0;
  bool operator==(const ShareSet&) const = default;
};
// 25 bits of the SHA-256 of a name, in the alphabet of the shares.
std::string share_mark(std::string_view name);

struct Share {
  ShareSet of;
  unsigned number = 0;  // 1 to count
  Secret value;         // 25 bytes
  Share clone() const { return {of, number, value.clone()}; }
  // "XXXX XXXX XXXX XXXX" four times, a newline after each.
  Secret text() const;
};

// Why something typed is no share. `row` 1 to 4, or 0 where it is not one row's fault. sentence() is for
// whoever typed, and never quotes a character of what may be a right row.
struct ShareFault {
  enum class What : std::uint8_t { length, character, check, another_row, mixed, version };
  What what;
  unsigned row = 0;
  std::string sentence() const;
};
// One row as typed, in either case, blanks and hyphens not counted. Nothing where it is well formed.
std::optional<ShareFault> check_share_row(unsigned row, const Secret& typed);
// All four, with or without line breaks.
std::variant<Share, ShareFault> parse_share(const Secret& typed);

struct SplitPin {
  Secret pin;  // 32 characters of the alphabet, 160 random bits
  std::vector<Share> shares;
};
// Draws a PIN and splits it; nothing outside 2 <= threshold <= count <= kSharesMax. `appliance` is its name
// in words. Of ShareKind::backup it is no token's PIN, but what a wrapping key is derived from.
std::optional<SplitPin> split_new_pin(std::string_view appliance, unsigned threshold, unsigned count,
                                      ShareKind kind = ShareKind::authorisation);
// A PIN that there is, of the shares of `former`, split once more: another set, of as many as is said now.
// The shares of `former` stay good for the same, for what they open has not changed.
std::optional<SplitPin> split_again(const Secret& pin, const ShareSet& former, unsigned threshold,
                                    unsigned count);

// What wraps the keys of the backup (AES-256), from what the backup shares give together: HKDF-SHA256, no
// salt, "sigillo/backup-key/v1".
Secret wrapping_key_of(const Secret& combined);

// Collects shares one at a time, from whoever comes, and says what each of them was.
class ShareCollector {
 public:
  enum class Verdict : std::uint8_t {
    taken,
    enough,
    same_again,
    other_appliance,
    other_set,
    other_kind,
    contradicts
  };
  // `appliance` (in words) and `set` as far as they are known before the first share; empty: the first one's
  // are taken.
  explicit ShareCollector(std::string_view appliance = {}, std::string_view set = {},
                          ShareKind kind = ShareKind::authorisation);

  // Only `taken` and `enough` keep it.
  Verdict add(Share share);
  static std::string sentence(Verdict verdict, const Share& share);
  unsigned have() const { return static_cast<unsigned>(shares_.size()); }
  unsigned needed() const { return shares_.empty() ? 0 : shares_.front().of.threshold; }  // 0: not known yet
  std::optional<ShareSet> of() const {
    return shares_.empty() ? std::nullopt : std::optional(shares_.front().of);
  }
  // The PIN, where there are enough and they agree; a share that was altered on purpose, check and all, is
  // seen here.
  std::optional<Secret> pin() const;
  void wipe() { shares_.clear(); }

 private:
  std::string appliance_mark_, set_;
  ShareKind kind_;
  std::vector<Share> shares_;
};

}  // namespace sigillo::base
