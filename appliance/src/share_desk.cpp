#include <appliance/share_desk.hpp>

namespace sigillo::appliance {
namespace {

constexpr base::Duration kKept = base::minutes(10);

}  // namespace

void ShareDesk::wipe_locked() {
  collector_.wipe();
  collector_ = base::ShareCollector(std::string_view(appliance_));
}

void ShareDesk::wipe() {
  const std::lock_guard lock(mutex_);
  wipe_locked();
}

void ShareDesk::forget_if_old(base::Instant now) {
  const std::lock_guard lock(mutex_);
  if (collector_.have() > 0 && (now >= first_ + kKept || now < first_)) wipe_locked();
}

ShareVerdict ShareDesk::add(const base::Secret& typed, base::Instant now) {
  forget_if_old(now);
  const std::lock_guard lock(mutex_);
  auto parsed = base::parse_share(typed);
  if (const auto* fault = std::get_if<base::ShareFault>(&parsed))
    return {false, fault->sentence(), collector_.have(), collector_.needed(), std::nullopt};
  auto& share = std::get<base::Share>(parsed);
  const auto described = share.clone();
  if (collector_.have() == 0) first_ = now;
  const auto verdict = collector_.add(std::move(share));
  using Verdict = base::ShareCollector::Verdict;
  ShareVerdict out{verdict == Verdict::taken || verdict == Verdict::enough,
                   base::ShareCollector::sentence(verdict, described), collector_.have(), collector_.needed(),
                   std::nullopt};
  if (verdict != Verdict::enough) return out;
  out.pin = collector_.pin();
  if (!out.pin) {
    out.taken = false;
    out.sentence =
        "The shares do not fit together: one of them was altered. All were forgotten; begin again.";
  }
  wipe_locked();
  return out;
}

}  // namespace sigillo::appliance
