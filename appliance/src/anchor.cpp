#include "anchor.hpp"

#include <algorithm>

namespace sigillo::appliance {
namespace {

using sealed_store::Head;

constexpr base::Byte kFormat = 1;
constexpr std::size_t kSize = 1 + 8 + 4 + 8 + 32 + 8;

base::Bytes encode(std::uint64_t epoch, const Head& head) {
  base::Bytes out{kFormat};
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
    if (value.size() != kSize || value[0] != kFormat)
      return base::Error(sealed_store::Errc::corrupt, "an anchor of another shape");
    Found found{object.handle, base::read_be<std::uint64_t>(value.subspan(1)), {}};
    found.head.node = base::read_be<std::uint32_t>(value.subspan(9));
    found.head.seq = base::read_be<std::uint64_t>(value.subspan(13));
    std::copy_n(value.begin() + 21, found.head.hash.size(), found.head.hash.begin());
    found.head.time.ms = base::read_be<std::int64_t>(value.subspan(53));
    out.push_back(found);
  }
  // Newest last: by epoch, then by seq. A kill in the middle of a replacement leaves two of one epoch.
  std::ranges::sort(out, [](const Found& a, const Found& b) {
    return std::pair(a.epoch, a.head.seq) < std::pair(b.epoch, b.head.seq);
  });
  return out;
}

base::Result<hsm::DataHandle> Anchor::create(std::uint64_t epoch, const Head& head) {
  return token_.create_data(label_, encode(epoch, head));
}

base::Result<std::optional<Head>> Anchor::recorded() {
  const std::lock_guard lock(mutex_);
  SIGILLO_TRY(const auto found, list());
  if (found.empty()) return std::optional<Head>();
  epoch_ = found.back().epoch;
  // A copy that was fenced in the middle may have left a higher seq under a lower epoch; it answered for
  // nothing in it.
  seen_ = found.back().head;
  return seen_;
}

base::Result<void> Anchor::take_over(const Head& accepted) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t epoch = epoch_ + 1;
  SIGILLO_TRY(const auto mine, create(epoch, accepted));
  SIGILLO_TRY(const auto found, list());
  // Attack: (1) start a second copy while the first answers. Whoever recorded between our look and our object
  // has answered beyond what we accepted: we withdraw. Whoever records after it finds our epoch, and is
  // fenced.
  for (const auto& other : found) {
    if (other.handle == mine) continue;
    const bool known = seen_ && other.epoch <= epoch_ && other.head.seq <= seen_->seq;
    if (!known) {
      static_cast<void>(token_.destroy_data(mine));
      return base::Error(sealed_store::Errc::fenced, "another copy of the appliance is running");
    }
  }
  for (const auto& other : found) {
    if (other.handle != mine) SIGILLO_CHECK(token_.destroy_data(other.handle));
  }
  epoch_ = epoch;
  current_ = mine;
  return base::ok();
}

base::Result<void> Anchor::record(const Head& head) {
  const std::lock_guard lock(mutex_);
  SIGILLO_TRY(const auto mine, create(epoch_, head));
  SIGILLO_TRY(const auto found, list());
  for (const auto& other : found) {
    if (other.epoch > epoch_) {
      static_cast<void>(token_.destroy_data(mine));
      return base::Error(sealed_store::Errc::fenced, "another copy of the appliance has taken over");
    }
  }
  // Older objects of this epoch, and what a fenced copy left behind.
  for (const auto& other : found) {
    if (other.handle != mine) SIGILLO_CHECK(token_.destroy_data(other.handle));
  }
  current_ = mine;
  return base::ok();
}

base::Result<void> Anchor::check() {
  const std::lock_guard lock(mutex_);
  SIGILLO_TRY(const auto found, list());
  if (!found.empty() && found.back().epoch > epoch_) {
    return base::Error(sealed_store::Errc::fenced, "another copy of the appliance has taken over");
  }
  return base::ok();
}

}  // namespace sigillo::appliance
