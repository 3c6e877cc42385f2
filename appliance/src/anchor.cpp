#include "anchor.hpp"

#include <algorithm>
#include <tuple>

namespace sigillo::appliance {
namespace {

using sealed_store::Head;

// Two kinds of object: an anchor is a head that may have been answered for; a claim is a copy's wish to take
// over, which has answered for nothing.
enum class Kind : base::Byte { anchor = 1, claim = 2 };
constexpr std::size_t kSize = 1 + 8 + 4 + 8 + 32 + 8;

base::Bytes encode(Kind kind, std::uint64_t epoch, const Head& head) {
  base::Bytes out{static_cast<base::Byte>(kind)};
  base::append_be(out, epoch);
  base::append_be(out, head.node);
  base::append_be(out, head.seq);
  base::append(out, head.hash);
  base::append_be(out, head.time.ms);
  return out;
}

}  // namespace

Anchor::Anchor(hsm::Token& token, std::uint32_t node)
    : token_(token), label_("sigillo.anchor-" + std::to_string(node)) {}

base::Result<std::vector<Anchor::Found>> Anchor::list() {
  SIGILLO_TRY(const auto objects, token_.list_data(label_));
  std::vector<Found> out;
  for (const auto& object : objects) {
    const base::ByteView value(object.value);
    const bool known = value.size() == kSize && (value[0] == static_cast<base::Byte>(Kind::anchor) ||
                                                 value[0] == static_cast<base::Byte>(Kind::claim));
    if (!known) return base::Error(sealed_store::Errc::corrupt, "an anchor of another shape");
    Found found{object.handle,
                value[0] == static_cast<base::Byte>(Kind::claim),
                base::read_be<std::uint64_t>(value.subspan(1)),
                {}};
    found.head.node = base::read_be<std::uint32_t>(value.subspan(9));
    found.head.seq = base::read_be<std::uint64_t>(value.subspan(13));
    std::copy_n(value.begin() + 21, found.head.hash.size(), found.head.hash.begin());
    found.head.time.ms = base::read_be<std::int64_t>(value.subspan(53));
    out.push_back(found);
  }
  // Newest last: anchors above claims, then by epoch, then by seq.
  std::ranges::sort(out, [](const Found& a, const Found& b) {
    return std::tuple(!a.claim, a.epoch, a.head.seq) < std::tuple(!b.claim, b.epoch, b.head.seq);
  });
  return out;
}

base::Result<std::optional<Head>> Anchor::recorded() {
  const std::lock_guard lock(mutex_);
  SIGILLO_TRY(const auto found, list());
  if (found.empty()) return std::optional<Head>();
  // An anchor of a higher epoch was made by a copy that won: what is left of a lower one was never answered
  // for. A claim counts only where it is all there is: its maker destroyed the anchor, and was killed before
  // it made its own.
  for (const auto& one : found) epoch_ = std::max(epoch_, one.epoch);
  current_ = found.back().handle;
  return std::optional<Head>(found.back().head);
}

base::Result<void> Anchor::take_over(const Head& accepted) {
  const std::lock_guard lock(mutex_);
  SIGILLO_TRY(const auto claim, token_.create_data(label_, encode(Kind::claim, epoch_ + 1, accepted)));
  // Attack: (1) start a second copy while the first answers. If the first recorded since we looked, the
  // object that we looked at is gone, and we withdraw. If we destroy it, the first can not, and is fenced
  // before its next answer.
  if (current_) {
    const auto replaced = token_.destroy_data(*current_);
    if (!replaced) {
      static_cast<void>(token_.destroy_data(claim));
      return base::Error(sealed_store::Errc::fenced, "another copy of the appliance is running",
                         replaced.error().raw());
    }
  }
  ++epoch_;
  SIGILLO_TRY(current_, token_.create_data(label_, encode(Kind::anchor, epoch_, accepted)));
  return clear_leftovers();
}

base::Result<void> Anchor::record(const Head& head) {
  const std::lock_guard lock(mutex_);
  SIGILLO_TRY(const auto mine, token_.create_data(label_, encode(Kind::anchor, epoch_, head)));
  return replace(mine);
}

base::Result<void> Anchor::replace(hsm::DataHandle mine) {
  if (token_.destroy_data(*current_)) {
    current_ = mine;
    return base::ok();
  }
  // Somebody else destroyed it, or the call failed: before it had its effect, or after. Whoever took over has
  // left an object of a higher epoch.
  SIGILLO_TRY(const auto found, list());
  const bool there = std::ranges::any_of(found, [this](const Found& f) { return f.handle == *current_; });
  if (there) return base::Error(hsm::Errc::unavailable, "the HSM did not replace the anchor");
  if (taken_over(found)) {
    static_cast<void>(token_.destroy_data(mine));
    return base::Error(sealed_store::Errc::fenced, "another copy of the appliance has taken over");
  }
  current_ = mine;
  return clear_leftovers();
}

bool Anchor::taken_over(const std::vector<Found>& found) const {
  return std::ranges::any_of(found, [this](const Found& f) { return f.epoch > epoch_; });
}

// What a kill, a failed call or a copy that withdrew left behind.
base::Result<void> Anchor::clear_leftovers() {
  SIGILLO_TRY(const auto found, list());
  for (const auto& other : found) {
    if (other.handle != *current_ && other.epoch <= epoch_) SIGILLO_CHECK(token_.destroy_data(other.handle));
  }
  return base::ok();
}

base::Result<void> Anchor::check() {
  const std::lock_guard lock(mutex_);
  SIGILLO_TRY(const auto found, list());
  const bool there = std::ranges::any_of(found, [this](const Found& f) { return f.handle == *current_; });
  if (!there && taken_over(found)) {
    return base::Error(sealed_store::Errc::fenced, "another copy of the appliance has taken over");
  }
  return there ? clear_leftovers() : base::ok();
}

}  // namespace sigillo::appliance
