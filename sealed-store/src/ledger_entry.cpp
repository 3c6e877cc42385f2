#include <sealed_store/ledger_entry.hpp>

#include <algorithm>

namespace sigillo::sealed_store {
namespace {

constexpr base::Byte kVersion = 1;
constexpr base::Byte kHasGuard = 0x01;
constexpr base::Byte kHasRoot = 0x02;
constexpr base::Byte kHasGuardHash = 0x04;
constexpr std::string_view kDomain = "sigillo/ledger/v1";

void append_text(base::Bytes& out, std::string_view value, std::size_t limit) {
  value = value.substr(0, limit);
  out.push_back(static_cast<base::Byte>(value.size()));
  base::append(out, base::view(value));
}

// Reads from the front; once it is short it stays short, and one test at the end sees it.
class Reader {
 public:
  explicit Reader(base::ByteView bytes) : rest_(bytes) {}

  template <class Int>
  Int integer() {
    const auto bytes = take(sizeof(Int));
    return bytes.empty() ? Int{0} : base::read_be<Int>(bytes);
  }
  template <std::size_t N>
  void fill(base::ByteArray<N>& out) {
    const auto bytes = take(N);
    std::copy(bytes.begin(), bytes.end(), out.begin());
  }
  std::string text(std::size_t limit) {
    const std::size_t size = integer<std::uint8_t>();
    if (size > limit) short_ = true;
    return std::string(base::text(take(size)));
  }
  bool complete() const { return !short_ && rest_.empty(); }

 private:
  base::ByteView take(std::size_t size) {
    if (short_ || size > rest_.size()) {
      short_ = true;
      return {};
    }
    const auto head = rest_.first(size);
    rest_ = rest_.subspan(size);
    return head;
  }

  base::ByteView rest_;
  bool short_ = false;
};

}  // namespace

base::Bytes encode(const LedgerEntry& entry) {
  const Event& event = entry.event;
  base::Bytes out;
  out.reserve(192);
  out.push_back(kVersion);
  base::append_be(out, entry.seq);
  base::append_be(out, entry.node);
  base::append_be(out, event.time.ms);
  base::append_be(out, event.kind);
  base::append_be(out, event.outcome);
  base::append(out, event.subject);
  base::append_be(out, event.attempt);
  append_text(out, event.channel, kChannelMax);
  append_text(out, event.operator_name, kOperatorMax);
  append_text(out, event.reference, kReferenceMax);
  out.push_back(static_cast<base::Byte>((event.guard ? kHasGuard : 0) | (entry.root ? kHasRoot : 0) |
                                        (entry.guard_hash ? kHasGuardHash : 0)));
  if (event.guard) {
    const auto& [key, value] = *event.guard;
    base::append(out, key.subject);
    out.push_back(key.counter);
    base::append_be(out, value.failures);
    base::append_be(out, value.unowned);
    base::append_be(out, value.last.ms);
  }
  if (entry.root) base::append(out, *entry.root);
  if (entry.guard_hash) base::append(out, *entry.guard_hash);
  return out;
}

base::Result<LedgerEntry> decode(base::ByteView encoded) {
  Reader in(encoded);
  LedgerEntry entry;
  Event& event = entry.event;
  if (in.integer<std::uint8_t>() != kVersion)
    return base::Error(Errc::corrupt, "ledger entry of an unknown version");
  entry.seq = in.integer<std::uint64_t>();
  entry.node = in.integer<std::uint32_t>();
  event.time.ms = in.integer<std::int64_t>();
  event.kind = in.integer<std::uint16_t>();
  event.outcome = in.integer<std::uint16_t>();
  in.fill(event.subject);
  event.attempt = in.integer<std::uint64_t>();
  event.channel = in.text(kChannelMax);
  event.operator_name = in.text(kOperatorMax);
  event.reference = in.text(kReferenceMax);
  const auto flags = in.integer<std::uint8_t>();
  if ((flags & ~(kHasGuard | kHasRoot | kHasGuardHash)) != 0) {
    return base::Error(Errc::corrupt, "ledger entry with unknown parts");
  }
  if ((flags & kHasGuard) != 0) {
    auto& [key, value] = event.guard.emplace();
    in.fill(key.subject);
    key.counter = in.integer<std::uint8_t>();
    value.failures = in.integer<std::uint16_t>();
    value.unowned = in.integer<std::uint16_t>();
    value.last.ms = in.integer<std::int64_t>();
  }
  if ((flags & kHasRoot) != 0) in.fill(entry.root.emplace());
  if ((flags & kHasGuardHash) != 0) in.fill(entry.guard_hash.emplace());
  if (!in.complete()) return base::Error(Errc::corrupt, "ledger entry of a wrong length");
  return entry;
}

base::Digest chain_hash(const base::Digest& previous, const LedgerEntry& entry) {
  return base::sha256({base::view(kDomain), previous, encode(entry)});
}

}  // namespace sigillo::sealed_store
