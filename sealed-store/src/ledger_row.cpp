#include "ledger_row.hpp"

#include <algorithm>

#include <sealed_store/ledger_entry.hpp>

namespace sigillo::sealed_store {
namespace {

constexpr base::Byte kCanonical = 1;  // what encode() begins with
constexpr base::Byte kCompact = 2;
enum Flag : base::Byte {
  has_subject = 0x01,
  has_attempt = 0x02,
  has_guard = 0x04,
  guard_of_another = 0x08,  // the counter's subject is not the entry's
  has_root = 0x10,
  has_guard_hash = 0x20,
  all_flags = 0x3f,
};

std::uint64_t zigzag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}
std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1 ^ (~(value & 1) + 1));
}
// Wraps as the unsigned numbers do: both directions meet again whatever a file says.
std::int64_t less(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

void put(base::Bytes& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<base::Byte>(value | 0x80));
  out.push_back(static_cast<base::Byte>(value));
}
void put_text(base::Bytes& out, std::string_view text, std::size_t limit) {
  text = text.substr(0, limit);
  out.push_back(static_cast<base::Byte>(text.size()));
  base::append(out, base::view(text));
}

class Reader {
 public:
  explicit Reader(base::ByteView rest) : rest_(rest) {}

  template <class Int = std::uint64_t>
  Int number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = take(1);
      if (byte.empty()) return 0;
      value |= static_cast<std::uint64_t>(byte[0] & 0x7f) << shift;
      if ((byte[0] & 0x80) == 0) {
        if (value != static_cast<Int>(value)) short_ = true;
        return static_cast<Int>(value);
      }
    }
    short_ = true;
    return 0;
  }
  std::int64_t signed_number() { return unzigzag(number()); }
  base::Byte byte() {
    const auto one = take(1);
    return one.empty() ? base::Byte{0} : one[0];
  }
  template <std::size_t N>
  void fill(base::ByteArray<N>& out) {
    const auto bytes = take(N);
    std::copy(bytes.begin(), bytes.end(), out.begin());
  }
  std::string text(std::size_t limit) {
    const std::size_t size = byte();
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

base::Byte flags_of(const LedgerEntry& entry) {
  const auto& event = entry.event;
  unsigned flags = 0;
  if (event.subject != SubjectIndex{}) flags |= has_subject;
  if (event.attempt != 0) flags |= has_attempt;
  if (event.guard) flags |= has_guard;
  if (event.guard && event.guard->first.subject != event.subject) flags |= guard_of_another;
  if (entry.root) flags |= has_root;
  if (entry.guard_hash) flags |= has_guard_hash;
  return static_cast<base::Byte>(flags);
}

base::Result<LedgerEntry> unpack_compact(std::uint64_t seq, base::ByteView row) {
  Reader in(row);
  LedgerEntry entry;
  entry.seq = seq;
  auto& event = entry.event;
  const auto flags = in.byte();
  if ((flags & ~all_flags) != 0) return base::Error(Errc::corrupt, "a ledger row with unknown parts");
  entry.node = in.number<std::uint32_t>();
  event.time.ms = in.signed_number();
  event.kind = in.number<std::uint16_t>();
  event.outcome = in.number<std::uint16_t>();
  if ((flags & has_subject) != 0) in.fill(event.subject);
  if ((flags & has_attempt) != 0) event.attempt = seq - static_cast<std::uint64_t>(in.signed_number());
  event.channel = in.text(kChannelMax);
  event.operator_name = in.text(kOperatorMax);
  event.reference = in.text(kReferenceMax);
  if ((flags & has_guard) != 0) {
    auto& [key, value] = event.guard.emplace();
    key.subject = event.subject;
    if ((flags & guard_of_another) != 0) in.fill(key.subject);
    key.counter = in.byte();
    value.failures = in.number<std::uint16_t>();
    value.unowned = in.number<std::uint16_t>();
    value.last.ms = less(event.time.ms, in.signed_number());
  }
  if ((flags & has_root) != 0) in.fill(entry.root.emplace());
  if ((flags & has_guard_hash) != 0) in.fill(entry.guard_hash.emplace());
  if (!in.complete()) return base::Error(Errc::corrupt, "a ledger row of a wrong length");
  return entry;
}

}  // namespace

base::Bytes pack_row(const LedgerEntry& entry) {
  const auto& event = entry.event;
  base::Bytes out{kCompact, flags_of(entry)};
  out.reserve(160);
  put(out, entry.node);
  put(out, zigzag(event.time.ms));
  put(out, event.kind);
  put(out, event.outcome);
  if ((out[1] & has_subject) != 0) base::append(out, event.subject);
  if ((out[1] & has_attempt) != 0) put(out, zigzag(static_cast<std::int64_t>(entry.seq - event.attempt)));
  put_text(out, event.channel, kChannelMax);
  put_text(out, event.operator_name, kOperatorMax);
  put_text(out, event.reference, kReferenceMax);
  if (event.guard) {
    const auto& [key, value] = *event.guard;
    if ((out[1] & guard_of_another) != 0) base::append(out, key.subject);
    out.push_back(key.counter);
    put(out, value.failures);
    put(out, value.unowned);
    put(out, zigzag(less(event.time.ms, value.last.ms)));
  }
  if (entry.root) base::append(out, *entry.root);
  if (entry.guard_hash) base::append(out, *entry.guard_hash);
  return out;
}

base::Result<LedgerEntry> unpack_row(std::uint64_t seq, base::ByteView row) {
  if (!row.empty() && row[0] == kCompact) return unpack_compact(seq, row.subspan(1));
  if (row.empty() || row[0] != kCanonical)
    return base::Error(Errc::corrupt, "a ledger row of an unknown form");
  SIGILLO_TRY(auto entry, decode(row));
  if (entry.seq != seq) return base::Error(Errc::corrupt, "a ledger row does not hold its own entry");
  return entry;
}

}  // namespace sigillo::sealed_store
