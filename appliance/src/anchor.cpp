#include "anchor.hpp"

#include <algorithm>
#include <tuple>

#include <base/log.hpp>

namespace sigillo::appliance {
namespace {

using sealed_store::Head;

constexpr std::size_t kLegacySize = 1 + 8 + 4 + 8 + 32 + 8;
constexpr std::size_t kIdSize = 16;
constexpr std::size_t kStandsForSize = 8;
constexpr int kLooks = 8;
// Two would do against a kill in the middle of a write. A power cut may take what the disk had not yet of
// several: a module such as SoftHSM2 empties a file before it fills it, and syncs neither.
constexpr std::size_t kCells = 4;

bool same(const Head& a, const Head& b) {
  return a.node == b.node && a.seq == b.seq && a.hash == b.hash;
}

}  // namespace

Anchor::Anchor(hsm::Token& token, std::uint32_t node, Use use)
    : token_(token), label_("sigillo.anchor-" + std::to_string(node)), use_(use) {}

base::Result<std::vector<Anchor::Found>> Anchor::decode(const std::vector<hsm::DataObject>& objects) const {
  std::vector<Found> out;
  for (const auto& object : objects) {
    const base::ByteView value(object.value);
    const auto kind = value.empty() ? Kind{} : Kind{value[0]};
    const bool has_id = kind >= Kind::anchor && kind <= Kind::claim;
    const std::size_t size =
        kLegacySize + (has_id ? kIdSize : 0) + (kind == Kind::claim ? kStandsForSize : 0);
    if (value.size() != size || (!has_id && kind != Kind::legacy))
      return base::Error(sealed_store::Errc::corrupt, "an anchor of another shape");
    Found found{object.handle, kind, base::read_be<std::uint64_t>(value.subspan(1)), 0, {}, {}};
    found.speaks_for = found.epoch;
    if (kind == Kind::claim)
      found.speaks_for = base::read_be<std::uint64_t>(value.subspan(kLegacySize + kIdSize));
    if (kind == Kind::legacy_claim) found.speaks_for = 0;
    found.head.node = base::read_be<std::uint32_t>(value.subspan(9));
    found.head.seq = base::read_be<std::uint64_t>(value.subspan(13));
    std::copy_n(value.begin() + 21, found.head.hash.size(), found.head.hash.begin());
    found.head.time.ms = base::read_be<std::int64_t>(value.subspan(53));
    if (has_id) std::copy_n(value.begin() + kLegacySize, kIdSize, found.id.begin());
    out.push_back(found);
  }
  // Newest last. An anchor or a cell of a higher epoch was made by a copy that won, so what is left of a
  // lower one was never answered for. A claim counts where nothing is left of the epoch that it stands in
  // for: its maker destroyed that and was killed before it made its own. Attack: (1) stop a copy that has
  // destroyed the anchor, before it makes its own. (2) Let another serve, and guess; (3) let a third destroy
  // that one's anchor, and kill it. (4) Let the first go on: what it makes is of an epoch before the one that
  // the third's claim stands for. Of one epoch, the longest ledger asks for most.
  std::ranges::sort(out, {}, [](const Found& found) {
    return std::tuple(found.speaks_for, !found.is_claim(), found.head.seq, found.id);
  });
  return out;
}

// A complete list. Its first look is one of a module that was just loaded; but a folder is not read in one
// instant, so it is looked at until two looks agree: a copy that records meanwhile changes what is seen. A
// cell that is just being written is in no list, and one that a kill caught so never again.
base::Result<std::vector<Anchor::Found>> Anchor::settled() {
  SIGILLO_TRY(const auto anew, token_.list_data_anew(label_));
  SIGILLO_TRY(auto before, decode(anew));
  for (int look = 0; look < kLooks; ++look) {
    SIGILLO_TRY(const auto objects, token_.list_data(label_));
    SIGILLO_TRY(auto now, decode(objects));
    const auto alike = [](const Found& a, const Found& b) {
      return a.handle == b.handle && a.epoch == b.epoch && same(a.head, b.head);
    };
    if (std::ranges::equal(before, now, alike)) return now;
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
  // Beside an anchor made anew no cell was ever in force (a creation that failed may have made one): they go
  // before it, for of its epoch they would come before our claim.
  if (!chosen_ || !chosen_->is_made_anew())
    std::erase_if(found, [](const Found& one) { return one.kind == Kind::cell; });
  others_ = std::move(found);
}

base::Bytes Anchor::encode(Kind kind, const Head& head, const Id& id) const {
  base::Bytes value{static_cast<base::Byte>(kind)};
  base::append_be(value, epoch_);
  base::append_be(value, head.node);
  base::append_be(value, head.seq);
  base::append(value, head.hash);
  base::append_be(value, head.time.ms);
  base::append(value, id);
  if (kind == Kind::claim) base::append_be(value, chosen_ ? chosen_->speaks_for : std::uint64_t{0});
  return value;
}

// The id makes two objects of one head two values: what holds a handle across a login finds its own again.
base::Result<hsm::DataHandle> Anchor::create(Kind kind, const Head& head) {
  Id id;
  SIGILLO_CHECK(token_.random(id));
  own_.push_back(id);  // before it is made: a call that fails may have made it
  return token_.create_data(label_, encode(kind, head, id));
}

// Before the anchor: who sees the anchor sees them all. None where the module has no room for them or does
// not change them, whatever it calls that: it answers for another object meanwhile.
base::Result<void> Anchor::make_cells(const Head& head, hsm::DataHandle canary) {
  cells_.clear();
  turn_ = 0;
  wrote_.push_back({epoch_, head});
  base::Result<void> changes = base::ok();
  while (changes && cells_.size() < kCells) {
    Id id;
    SIGILLO_CHECK(token_.random(id));
    const auto value = encode(Kind::cell, head, id);
    const auto made = token_.create_rewritable_data(label_, value);
    if (made) {
      cells_.push_back({*made, id, {value}});
      if (cells_.size() == 1) changes = token_.rewrite_data(*made, value);
    } else {
      changes = made.error();
    }
  }
  if (changes || !token_.read_data(canary)) return changes;
  base::log::warn("anchor.made-anew", {{"why", changes.error().detail()}});
  return drop_cells();
}

base::Result<void> Anchor::drop_cells() {
  for (const auto& cell : std::exchange(cells_, {})) SIGILLO_CHECK(token_.destroy_data(cell.handle));
  return base::ok();
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
  serves_ = false;
  SIGILLO_CHECK(replace_chosen(accepted));
  serves_ = true;
  return base::ok();
}

// Attack: (1) start a second copy while the first answers. If the first recorded since we looked, what we
// chose is gone, and we stop. If we destroy it, the first can not, and is fenced before its next answer. The
// claim is made before anything is destroyed, so that a kill never leaves nothing; and it is destroyed after
// all, by us or by a copy that saw us in the middle: of the two, one goes on.
base::Result<void> Anchor::replace_chosen(const Head& accepted) {
  SIGILLO_TRY(const auto claim, create(Kind::claim, chosen_ ? chosen_->head : accepted));
  if (chosen_ && chosen_->kind != Kind::cell) others_.push_back(*chosen_);  // last
  for (const auto& other : std::exchange(others_, {})) SIGILLO_CHECK(destroy_or_stop(other.handle));
  SIGILLO_CHECK(look_again(claim));
  chosen_.reset();
  SIGILLO_CHECK(make_cells(accepted, claim));
  SIGILLO_TRY(const auto made, create(cells_.empty() ? Kind::anchor : Kind::holder, accepted));
  SIGILLO_CHECK(destroy_or_stop(claim));
  coin_ = made;
  draft_.reset();
  own_.erase(own_.begin(), own_.end() - 1);
  wrote_.erase(wrote_.begin(), wrote_.end() - 1);
  unsure_ = false;
  return base::ok();
}

// The copy of before records no more: its anchor is gone, and it asks after that. What it wrote until then is
// in the cells, and must be what the store was held against. The newest is destroyed last: of what a kill
// leaves, an older one would be believed before our claim.
// Whatever else is there was made since the first look: by another that starts, where nothing was left that
// only one of us could destroy.
base::Result<void> Anchor::look_again(hsm::DataHandle claim) {
  SIGILLO_TRY(auto found, settled());
  const auto foreign = [&](const Found& one) {
    return one.kind != Kind::cell && one.handle != claim && !we_made(one.id);
  };
  if (std::ranges::any_of(found, foreign)) return taken_over();
  std::erase_if(found, [](const Found& one) { return one.kind != Kind::cell; });
  const auto newer = [&](const Found& cell) {
    return !chosen_ ||
           (std::tuple(cell.epoch, cell.head.seq) >= std::tuple(chosen_->speaks_for, chosen_->head.seq) &&
            !same(cell.head, chosen_->head));
  };
  if (std::ranges::any_of(found, newer)) return taken_over();
  for (const auto& cell : found) SIGILLO_CHECK(destroy_or_stop(cell.handle));
  return base::ok();
}

base::Result<void> Anchor::destroy_or_stop(hsm::DataHandle handle) {
  SIGILLO_TRY(const auto destroyed, destroy(handle));
  return destroyed == Destroyed::by_us ? base::ok() : base::Result<void>(taken_over());
}

base::Error Anchor::taken_over() {
  return {sealed_store::Errc::fenced, "another copy of the appliance is running or starting"};
}

bool Anchor::we_made(const Id& id) const {
  return std::ranges::find(own_, id) != own_.end();
}

base::Result<void> Anchor::record(const Head& head) {
  const std::lock_guard lock(mutex_);
  if (fenced_) return fence();
  if (!serves_) return taken_over();
  if (unsure_) return take_back(head);
  return cells_.empty() ? record_anew(head) : record_in_cell(head);
}

// Three calls. A write that failed may have happened: the same cell is written again by the next record, and
// what is in force stands in another. A cell or an anchor that is not there, or whose login was lost: look
// anew.
base::Result<void> Anchor::record_in_cell(const Head& head) {
  Cell& cell = cells_[turn_];
  if (!same(wrote_.back().head, head)) wrote_.push_back({epoch_, head});
  SIGILLO_TRY(bool held, next_cell_is_ours());
  if (held) {
    auto value = encode(Kind::cell, head, cell.id);
    cell.values.push_back(value);  // beside what was just read
    const auto written = token_.rewrite_data(cell.handle, value);
    if (!written && !written.error().is(hsm::Errc::no_such_key)) return written;
    held = static_cast<bool>(written);
    if (held) {
      cell.values = {std::move(value)};
      SIGILLO_TRY(held, has_anchor());
    }
  }
  if (!held) {
    unsure_ = true;
    return take_back(head);
  }
  turn_ = (turn_ + 1) % cells_.size();
  wrote_.erase(wrote_.begin(), wrote_.end() - 1);
  return base::ok();
}

// Nothing: it is gone, or its login is.
base::Result<std::optional<base::Bytes>> Anchor::read(hsm::DataHandle handle) {
  auto value = token_.read_data(handle);
  if (value) return std::optional(std::move(*value));
  if (value.error().is(hsm::Errc::no_such_key)) return std::optional<base::Bytes>();
  return value.error();
}

base::Result<bool> Anchor::has_anchor() {
  SIGILLO_TRY(const auto value, read(coin_));
  return value.has_value();
}

// Attack, with a token outside the machine: (1) take a snapshot of the virtual machine, memory and all. (2)
// Guess. (3) Put it back: the anchor is there, and the heads go on from the old one. Whatever was recorded in
// (2) began with the cell that is to be written next, and nothing is written over before that is seen.
base::Result<bool> Anchor::next_cell_is_ours() {
  Cell& cell = cells_[turn_];
  SIGILLO_TRY(const auto value, read(cell.handle));
  if (!value) return false;
  if (std::ranges::find(cell.values, *value) == cell.values.end()) return fence();
  cell.values = {*value};
  return true;
}

base::Result<void> Anchor::record_anew(const Head& head) {
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
  SIGILLO_TRY(const auto made, create(Kind::anchor, head));
  draft_.emplace(made, head);
  return made;
}

// Who does not know what became of what it holds begins anew, as after a kill: what a complete list shows as
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
  const auto& newest = found.back();
  const auto is_it = [&](const Written& written) {
    return written.epoch == newest.epoch && same(written.head, newest.head);
  };
  const bool ours = newest.kind == Kind::cell ? std::ranges::any_of(wrote_, is_it) : we_made(newest.id);
  return ours ? base::ok() : base::Result<void>(fence());
}

base::Result<void> Anchor::check() {
  const std::lock_guard lock(mutex_);
  if (fenced_) return fence();
  if (!unsure_) {
    SIGILLO_TRY(bool held, cells_.empty() ? is_there(coin_) : has_anchor());
    if (held && !cells_.empty()) {
      SIGILLO_TRY(held, next_cell_is_ours());
    }
    if (held) return base::ok();
    unsure_ = true;
  }
  SIGILLO_TRY(const auto found, settled());
  return still_ours(found);
}

}  // namespace sigillo::appliance
