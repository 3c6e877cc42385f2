#include "channel_figures.hpp"

namespace sigillo::appliance {

std::uint64_t Outcomes::evaluated() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kKinds; ++i) {
    const auto outcome = static_cast<EventOutcome>(i);
    if (outcome != EventOutcome::delayed && outcome != EventOutcome::locked) sum += of(outcome);
  }
  return sum;
}

SprayWatch::Pin SprayWatch::look(const sealed_store::ChargedAttempt& attempt, bool right, bool ends_count,
                                 base::Duration window) {
  const auto& before = attempt.before();
  const bool again = before.total() > 0 && attempt.after().last < before.last + window;
  if (!right) return again ? Pin::misses_again : Pin::opens_miss;
  // Attack: (1) miss once at a credential of one's own, (2) show its first half, which is right and leaves
  // the count, once for each guess at others. Only what ends the count makes a miss good, and so each one
  // once.
  return again && ends_count ? Pin::makes_good : Pin::right;
}

std::optional<SprayWatch::Window> SprayWatch::note(Pin pin, base::Instant now, const SprayAlarm& alarm) {
  const std::lock_guard lock(mutex_);
  const auto number = now.ms / alarm.window.ms;
  if (number > number_) {
    number_ = number;
    window_ = {};
    raised_ = false;
  }
  switch (pin) {
    case Pin::misses_again:
      return std::nullopt;
    case Pin::makes_good:
      --window_.standing;
      [[fallthrough]];
    case Pin::right:
      ++window_.right;
      return std::nullopt;
    case Pin::opens_miss:
      ++window_.standing;
      break;
  }
  if (raised_ || window_.standing < alarm.misses || window_.standing * 100 < window_.right * alarm.share)
    return std::nullopt;
  raised_ = true;
  return window_;
}

}  // namespace sigillo::appliance
