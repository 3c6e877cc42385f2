#include "anchor.hpp"

#include <algorithm>
#include <tuple>

namespace sigillo::appliance {
namespace {

using sealed_store::Head;

constexpr std::size_t kLegacySize = 1 + 8 + 4 + 8 + 32 + 8;
constexpr std::size_t kIdSize = 16;
constexpr int kLooks = 8;

}  // namespace

Anchor::Anchor(hsm::Token& token, std::uint32_t node, Use use)
    : token_(token), label_("sigillo.anchor-" + std::to_string(node)), use_(use) {}

base::Result<std::vector<Anchor::Found>> Anchor::decode(const std::vector<hsm::DataObject>& objects) const {
  std::vector<Found> out;
  for (const auto& object : objects) {
    const base::ByteView value(object.value);
    const auto kind = value.empty() ? Kind{} : Kind{value[0]};
    const bool ours = kind == Kind::anchor || kind == Kind::claim;
    if (value.size() != (ours ? kLegacySize + kIdSize : kLegacySize) || (!ours && kind != Kind::legacy))
      return base::Error(sealed_store::Errc::corrupt, "an anchor of another shape");
    Found found{object.handle, kind != Kind::claim, base::read_be<std::uint64_t>(value.subspan(1)), {}, {}};
    found.head.node = base::read_be<std::uint32_t>(value.subspan(9));
    found.head.seq = base::read_be<std::uint64_t>(value.subspan(13));
    std::copy_n(value.begin() + 21, found.head.hash.size(), found.head.hash.begin());
    found.head.time.ms = base::read_be<std::int64_t>(value.subspan(53));
    if (ours) std::copy_n(value.begin() + kLegacySize, kIdSize, found.id.begin());
    out.push_back(found);
  }
  // Newest last. An anchor of a higher epoch was made by a copy that won, so what is left of a lower one was
  // never answered for. A claim counts only where it is all there is: its maker destroyed the anchor and was
  // killed before it made its own. Of one epoch, the longest ledger asks for most.
  std::ranges::sort(out, [](const Found& a, const Found& b) {
    return std::tuple(a.anchor, a.epoch, a.head.seq, a.id) < std::tuple(b.anchor, b.epoch, b.head.seq, b.id);
  });
  return out;
}

// A complete list. Its first look is one of a module that was just loaded; but a folder is not read in one
// instant, so it is looked at until two looks agree: a copy that records meanwhile changes what is seen.
base::Result<std::vector<Anchor::Found>> Anchor::settled() {
  SIGILLO_TRY(const auto anew, token_.list_data_anew(label_));
  SIGILLO_TRY(auto before, decode(anew));
  for (int look = 0; look < kLooks; ++look) {
    SIGILLO_TRY(const auto objects, token_.list_data(label_));
    SIGILLO_TRY(auto now, decode(objects));
    if (std::ranges::equal(before, now, {}, &Found::handle, &Found::handle)) return now;
    before = std::move(now);
  }
  return base::Error(sealed_store::Errc::fenced, "another copy of the appliance is running");
}

void Anchor::choose(std::vector<Found> found) {
  chosen_.reset();
  epoch_ = 1;
  for (const auto& one : found) epoch_ = std::max(epoch_, one.epoch + 1);
  if (!found.empty()) {
    chosen_ = found.back();
    found.pop_back();
  }
  others_ = std::move(found);
}

// The id makes two objects of one head two values: what holds a handle across a login finds its own again.
base::Result<hsm::DataHandle> Anchor::create(Kind kind, std::uint64_t epoch, const Head& head) {
  Id id;
  SIGILLO_CHECK(token_.random(id));
  base::Bytes value{static_cast<base::Byte>(kind)};
  base::append_be(value, epoch);
  base::append_be(value, head.node);
  base::append_be(value, head.seq);
  base::append(value, head.hash);
  base::append_be(value, head.time.ms);
  base::append(value, id);
  own_.push_back(id);  // before it is made: a call that fails may have made it
  return token_.create_data(label_, value);
}

base::Result<bool> Anchor::is_there(hsm::DataHandle handle) {
  SIGILLO_TRY(const auto objects, token_.list_data(label_));
  return std::ranges::any_of(objects, [&](const auto& object) { return object.handle == handle; });
}

// An error: it is still there, nothing happened.
base::Result<Anchor::Destroyed> Anchor::destroy(hsm::DataHandle handle) {
  const auto done = token_.destroy_data(handle);
  if (done) return Destroyed::by_us;
  if (done.error().is(hsm::Errc::no_such_key)) return Destroyed::by_another;
  const auto there = is_there(handle);
  if (there && *there) return done.error();
  return Destroyed::unsure;
}

base::Error Anchor::fence() {
  fenced_ = true;
  return {sealed_store::Errc::fenced, "another copy of the appliance has taken over"};
}

base::Result<std::optional<Head>> Anchor::recorded() {
  const std::lock_guard lock(mutex_);
  SIGILLO_TRY(auto found, settled());
  if (found.empty() && use_ == Use::running)
    return base::Error(sealed_store::Errc::rolled_back,
                       "the token has no anchor: it is not this store's token");
  choose(std::move(found));
  return chosen_ ? std::optional(chosen_->head) : std::nullopt;
}

base::Result<std::optional<Head>> Anchor::newest() {
  SIGILLO_TRY(const auto now, position());
  return std::optional(now.head);
}

base::Result<AnchorPosition> Anchor::position() {
  const std::lock_guard lock(mutex_);
  SIGILLO_TRY(const auto objects, token_.list_data(label_));
  SIGILLO_TRY(const auto found, decode(objects));
  if (found.empty()) return base::Error(sealed_store::Errc::rolled_back, "the token has no anchor");
  return AnchorPosition{found.back().epoch, found.back().head};
}

base::Result<void> Anchor::take_over(const Head& accepted) {
  const std::lock_guard lock(mutex_);
  return replace_chosen(accepted);
}

// Attack: (1) start a second copy while the first answers. If the first recorded since we looked, what we
// chose is gone, and we stop. If we destroy it, the first can not, and is fenced before its next answer. The
// claim is made before anything is destroyed, so that a kill never leaves nothing; and it is destroyed after
// all, by us or by a copy that saw us in the middle: of the two, one goes on.
base::Result<void> Anchor::replace_chosen(const Head& accepted) {
  const auto lost = [] {
    return base::Error(sealed_store::Errc::fenced, "another copy of the appliance is running or starting");
  };
  SIGILLO_TRY(const auto claim, create(Kind::claim, epoch_, chosen_ ? chosen_->head : accepted));
  if (chosen_) others_.push_back(*chosen_);  // last
  for (const auto& other : std::exchange(others_, {})) {
    SIGILLO_TRY(const auto destroyed, destroy(other.handle));
    if (destroyed != Destroyed::by_us) return lost();
  }
  chosen_.reset();
  SIGILLO_TRY(const auto made, create(Kind::anchor, epoch_, accepted));
  SIGILLO_TRY(const auto destroyed, destroy(claim));
  if (destroyed != Destroyed::by_us) return lost();
  coin_ = made;
  draft_.reset();
  own_.erase(own_.begin(), own_.end() - 1);
  unsure_ = false;
  return base::ok();
}

base::Result<void> Anchor::record(const Head& head) {
  const std::lock_guard lock(mutex_);
  if (fenced_) return fence();
  if (unsure_) return take_back(head);
  SIGILLO_TRY(const auto made, draft(head));
  SIGILLO_TRY(const auto destroyed, destroy(coin_));
  if (destroyed != Destroyed::by_us) {
    unsure_ = true;
    return take_back(head);
  }
  coin_ = made;
  draft_.reset();
  own_.erase(own_.begin(), own_.end() - 1);
  return base::ok();
}

// One at a time: while the HSM refuses to destroy, retries do not fill it.
base::Result<hsm::DataHandle> Anchor::draft(const Head& head) {
  if (draft_ && draft_->second.seq == head.seq) return draft_->first;
  if (draft_) static_cast<void>(token_.destroy_data(std::exchange(draft_, std::nullopt)->first));
  SIGILLO_TRY(const auto made, create(Kind::anchor, epoch_, head));
  draft_.emplace(made, head);
  return made;
}

// Who does not know what became of its anchor begins anew, as after a kill: what a complete list shows as
// newest must be of its own making, and is then taken over like any other.
base::Result<void> Anchor::take_back(const Head& head) {
  SIGILLO_TRY(auto found, settled());
  SIGILLO_CHECK(still_ours(found));
  choose(std::move(found));
  const auto taken = replace_chosen(head);
  if (!taken && taken.error().is(sealed_store::Errc::fenced))
    return base::Error(hsm::Errc::unavailable, "the anchor could not be taken back yet");
  return taken;
}

base::Result<void> Anchor::still_ours(const std::vector<Found>& found) {
  if (found.empty()) return base::Error(hsm::Errc::unavailable, "the token shows no anchor at all");
  if (std::ranges::find(own_, found.back().id) == own_.end()) return fence();
  return base::ok();
}

base::Result<void> Anchor::check() {
  const std::lock_guard lock(mutex_);
  if (fenced_) return fence();
  if (!unsure_) {
    SIGILLO_TRY(const bool there, is_there(coin_));
    if (there) return base::ok();
    unsure_ = true;
  }
  SIGILLO_TRY(const auto found, settled());
  return still_ours(found);
}

}  // namespace sigillo::appliance
