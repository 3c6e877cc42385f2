#include <base/shares.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include <base/crypto.hpp>

extern "C" {  // its header does not say so
#include <libgfshare.h>
}

#include "share_code.hpp"

namespace sigillo::base {
namespace {

// Symbols: kind, threshold, count, number; the marks of appliance and set; the value; the check of all.
constexpr std::size_t kSeedBytes = 20, kTagBytes = 5, kValueBytes = kSeedBytes + kTagBytes;
constexpr std::size_t kMark = 5, kHead = 4 + 2 * kMark, kValueSymbols = kValueBytes * 8 / 5;
constexpr std::size_t kSymbols = kHead + kValueSymbols + kCheckSymbols;
constexpr std::size_t kRowSymbols = kShareRowLength - 1;
static_assert(kSymbols == kShareRows * kRowSymbols);

std::string mark_of(ByteView bytes) {
  std::array<Byte, 8> symbols{};
  to_symbols(bytes.first(5), symbols);
  std::string mark;
  for (std::size_t i = 0; i < kMark; ++i) mark += kShareAlphabet[symbols[i]];
  return mark;
}

// A tag inside what is split: a custodian who changes his share, checks and all, makes another PIN of it, and
// that is to be seen before a token counts it as a wrong one.
Digest tag_of(const ShareSet& of, ByteView seed) {
  const ByteArray<3> numbers{static_cast<Byte>(of.kind), static_cast<Byte>(of.threshold),
                             static_cast<Byte>(of.count)};
  return sha256({view("sigillo/custodian-share/v1"), numbers, view(of.appliance), view(of.set), seed});
}

Secret pin_of(ByteView seed) {
  Secret pin(kSeedBytes * 8 / 5);
  to_symbols(seed, pin.writable());
  for (auto& symbol : pin.writable()) symbol = static_cast<Byte>(kShareAlphabet[symbol]);
  return pin;
}

// libgfshare's own buffers are on the heap and overwritten with random bytes before they are freed.
struct ContextFree {
  void operator()(gfshare_ctx* context) const { gfshare_ctx_free(context); }
};
using GfContext = std::unique_ptr<gfshare_ctx, ContextFree>;

void fill_random(unsigned char* out, unsigned int size) {
  random_bytes({out, size});
}

std::vector<Secret> split(ByteView value, unsigned threshold, unsigned count) {
  gfshare_fill_rand = fill_random;
  ByteArray<kSharesMax> numbers{};
  for (unsigned i = 0; i < count; ++i) numbers[i] = static_cast<Byte>(i + 1);
  const GfContext context(
      gfshare_ctx_init_enc(numbers.data(), count, static_cast<Byte>(threshold), kValueBytes));
  if (context == nullptr) std::abort();
  gfshare_ctx_enc_setsecret(context.get(), const_cast<Byte*>(value.data()));
  std::vector<Secret> out;
  for (unsigned i = 0; i < count; ++i) {
    gfshare_ctx_enc_getshare(context.get(), static_cast<Byte>(i),
                             out.emplace_back(kValueBytes).writable().data());
  }
  return out;
}

// As the set that `of` says, under a mark of its own.
std::optional<SplitPin> split_seed(const Secret& seed, ShareSet of) {
  if (of.threshold < 2 || of.threshold > of.count || of.count > kSharesMax) return std::nullopt;
  ByteArray<5> set{};
  random_bytes(set);
  of.set = mark_of(set);
  const auto tag = tag_of(of, seed.expose());
  const Secret value = Secret::concat({seed.expose(), ByteView(tag).first(kTagBytes)});
  SplitPin out;
  out.pin = pin_of(seed.expose());
  for (auto& part : split(value.expose(), of.threshold, of.count)) {
    out.shares.push_back({of, static_cast<unsigned>(out.shares.size() + 1), std::move(part)});
  }
  return out;
}

// What was typed without what does not count; nothing where it is longer than `most`.
std::optional<Secret> stripped(const Secret& typed, std::size_t most) {
  Secret out(most);
  std::size_t size = 0;
  for (const char c : typed.expose_text()) {
    if (c == ' ' || c == '-' || c == '\n' || c == '\r' || c == '\t') continue;
    if (size == most) return std::nullopt;
    out.writable()[size++] = static_cast<Byte>(c);
  }
  return Secret(out.expose().first(size));
}

// The symbols of a row, check included, or what is wrong with it.
std::optional<ShareFault> read_row(unsigned row, ByteView characters, std::span<Byte> symbols) {
  using What = ShareFault::What;
  for (std::size_t i = 0; i < kShareRowLength; ++i) {
    const auto symbol = symbol_of(static_cast<char>(characters[i]));
    if (!symbol) return ShareFault{What::character, row};
    symbols[i] = *symbol;
  }
  const unsigned off = symbols[kRowSymbols] ^ row_check(row, symbols.first(kRowSymbols));
  if (off == 0) return std::nullopt;
  // The row's number is in its check by exclusive or, so a row in another's place shows as exactly that.
  const unsigned meant = off ^ row;
  return ShareFault{meant >= 1 && meant <= kShareRows ? What::another_row : What::check, row};
}

}  // namespace

std::string_view name(ShareKind kind) {
  return kind == ShareKind::authorisation ? "authorisation share" : "backup share";
}

std::string share_mark(std::string_view name) {
  return mark_of(sha256({view("sigillo/appliance/v1"), view(name)}));
}

Secret Share::text() const {
  Secret symbols(kSymbols);
  const auto out = symbols.writable();
  out[0] = static_cast<Byte>(of.kind);
  out[1] = static_cast<Byte>(of.threshold);
  out[2] = static_cast<Byte>(of.count);
  out[3] = static_cast<Byte>(number);
  for (std::size_t i = 0; i < kMark; ++i) {
    out[4 + i] = symbol_of(of.appliance.at(i)).value();
    out[4 + kMark + i] = symbol_of(of.set.at(i)).value();
  }
  to_symbols(value.expose(), out.subspan(kHead, kValueSymbols));
  std::ranges::copy(bch(out.first(kHead + kValueSymbols)), out.last(kCheckSymbols).begin());
  constexpr std::size_t kRowText = kShareRowLength + 4;  // three blanks and a newline
  Secret text(kShareRows * kRowText);
  for (unsigned row = 0; row < kShareRows; ++row) {
    const auto of_row = out.subspan(row * kRowSymbols, kRowSymbols);
    auto to = text.writable().subspan(row * kRowText, kRowText);
    for (std::size_t i = 0; i < kShareRowLength; ++i) {
      const Byte symbol = i < kRowSymbols ? of_row[i] : row_check(row + 1, of_row);
      to[i + i / 4] = static_cast<Byte>(kShareAlphabet[symbol]);
      if (i % 4 == 3) to[i + i / 4 + 1] = i == kShareRowLength - 1 ? '\n' : ' ';
    }
  }
  return text;
}

std::string ShareFault::sentence() const {
  const std::string which = row == 0 ? std::string("This") : "Line " + std::to_string(row);
  switch (what) {
    case What::length:
      return which + (row == 0 ? " is not a whole share: it has 4 lines of 16 characters."
                               : " does not have 16 characters: compare it with the paper.");
    case What::character:
      return which + " has a character that no share has: there are no I, O, 0 and 1 in it.";
    case What::check:
      return which + " is mistyped: its check character does not fit.";
    case What::another_row:
      return which + " is another line of the share, or mistyped.";
    case What::mixed:
      return "The lines do not belong together: one of them is of another share.";
    case What::version:
      return "This is a share of a kind that this version does not know.";
  }
  std::abort();
}

std::optional<ShareFault> check_share_row(unsigned row, const Secret& typed) {
  const auto characters = stripped(typed, kShareRowLength);
  if (!characters || characters->size() != kShareRowLength) return ShareFault{ShareFault::What::length, row};
  Secret symbols(kShareRowLength);
  return read_row(row, characters->expose(), symbols.writable());
}

std::variant<Share, ShareFault> parse_share(const Secret& typed) {
  using What = ShareFault::What;
  const auto characters = stripped(typed, kShareRows * kShareRowLength);
  if (!characters || characters->size() != kShareRows * kShareRowLength) return ShareFault{What::length};
  Secret symbols(kSymbols);
  for (unsigned row = 0; row < kShareRows; ++row) {
    Secret of_row(kShareRowLength);
    if (const auto fault = read_row(
            row + 1, characters->expose().subspan(row * kShareRowLength, kShareRowLength), of_row.writable()))
      return *fault;
    std::ranges::copy(of_row.expose().first(kRowSymbols),
                      symbols.writable().subspan(row * kRowSymbols).begin());
  }
  const auto all = symbols.expose();
  if (!constant_time_equal(bch(all.first(kHead + kValueSymbols)), all.last(kCheckSymbols)))
    return ShareFault{What::mixed};
  Share share;
  share.of.kind = static_cast<ShareKind>(all[0]);
  share.of.threshold = all[1];
  share.of.count = all[2];
  share.number = all[3];
  if (all[0] > static_cast<Byte>(ShareKind::backup) || share.of.threshold < 2 ||
      share.of.threshold > share.of.count || share.of.count > kSharesMax || share.number < 1 ||
      share.number > share.of.count)
    return ShareFault{What::version};
  for (std::size_t i = 0; i < kMark; ++i) {
    share.of.appliance += kShareAlphabet[all[4 + i]];
    share.of.set += kShareAlphabet[all[4 + kMark + i]];
  }
  share.value = Secret(kValueBytes);
  to_bytes(all.subspan(kHead, kValueSymbols), share.value.writable());
  return share;
}

std::optional<SplitPin> split_new_pin(std::string_view appliance, unsigned threshold, unsigned count,
                                      ShareKind kind) {
  Secret seed(kSeedBytes);
  random_bytes(seed.writable());
  return split_seed(seed, {kind, share_mark(appliance), {}, threshold, count});
}

std::optional<SplitPin> split_again(const Secret& pin, const ShareSet& former, unsigned threshold,
                                    unsigned count) {
  Secret symbols(pin.size());
  for (std::size_t i = 0; i < pin.size(); ++i) {
    const auto symbol = symbol_of(pin.expose_text()[i]);
    if (!symbol) return std::nullopt;
    symbols.writable()[i] = *symbol;
  }
  if (pin.size() * 5 != kSeedBytes * 8) return std::nullopt;
  Secret seed(kSeedBytes);
  to_bytes(symbols.expose(), seed.writable());
  return split_seed(seed, {former.kind, former.appliance, {}, threshold, count});
}

Secret wrapping_key_of(const Secret& combined) {
  const ByteArray<32> no_salt{};  // RFC 5869, section 2.2
  return hkdf_sha256(combined.expose(), no_salt, view("sigillo/backup-key/v1"), 32);
}

ShareCollector::ShareCollector(std::string_view appliance, std::string_view set, ShareKind kind)
    : appliance_mark_(appliance.empty() ? std::string() : share_mark(appliance)), set_(set), kind_(kind) {}

ShareCollector::Verdict ShareCollector::add(Share share) {
  if (share.of.kind != kind_) return Verdict::other_kind;
  if (!appliance_mark_.empty() && share.of.appliance != appliance_mark_) return Verdict::other_appliance;
  if (!set_.empty() && share.of.set != set_) return Verdict::other_set;
  if (!shares_.empty()) {
    const auto& first = shares_.front().of;
    if (share.of.appliance != first.appliance) return Verdict::other_appliance;
    if (share.of.set != first.set) return Verdict::other_set;
    if (share.of != first) return Verdict::contradicts;
    const auto same = [&](const Share& other) { return other.number == share.number; };
    if (std::ranges::any_of(shares_, same)) return Verdict::same_again;
  }
  shares_.push_back(std::move(share));
  return have() >= needed() ? Verdict::enough : Verdict::taken;
}

std::string ShareCollector::sentence(Verdict verdict, const Share& share) {
  const std::string number = "Share " + std::to_string(share.number);
  switch (verdict) {
    case Verdict::taken:
      return number + " is taken.";
    case Verdict::enough:
      return number + " is taken, and that is enough.";
    case Verdict::same_again:
      return number + " was given already: another custodian's is needed.";
    case Verdict::other_appliance:
      return number + " is of another appliance (" + share.of.appliance + ").";
    case Verdict::other_set:
      return number + " is of another splitting (set " + share.of.set + "): it opens nothing here.";
    case Verdict::other_kind:
      return "This is a" + std::string(share.of.kind == ShareKind::backup ? " " : "n ") +
             std::string(name(share.of.kind)) + ": the other paper is wanted.";
    case Verdict::contradicts:
      return number + " does not say the same about its set as the others.";
  }
  std::abort();
}

std::optional<Secret> ShareCollector::pin() const {
  if (shares_.empty() || have() < needed()) return std::nullopt;
  ByteArray<kSharesMax> numbers{};
  for (std::size_t i = 0; i < needed(); ++i) numbers[i] = static_cast<Byte>(shares_[i].number);
  gfshare_fill_rand = fill_random;
  const GfContext context(gfshare_ctx_init_dec(numbers.data(), needed(), kValueBytes));
  if (context == nullptr) std::abort();
  for (unsigned i = 0; i < needed(); ++i) {
    gfshare_ctx_dec_giveshare(context.get(), static_cast<Byte>(i),
                              const_cast<Byte*>(shares_[i].value.expose().data()));
  }
  Secret value(kValueBytes);
  gfshare_ctx_dec_extract(context.get(), value.writable().data());
  const auto seed = value.expose().first(kSeedBytes);
  const auto tag = tag_of(shares_.front().of, seed);
  if (!constant_time_equal(ByteView(tag).first(kTagBytes), value.expose().last(kTagBytes)))
    return std::nullopt;
  return pin_of(seed);
}

}  // namespace sigillo::base
