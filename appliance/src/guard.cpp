#include <appliance/guard.hpp>

#include <algorithm>

namespace sigillo::appliance::guard {
namespace {

constexpr std::uint32_t kLinkTokens = 5;
constexpr std::uint16_t kReissue = 0xffff;
constexpr std::uint16_t kCountMax = kReissue - 1;  // what guesses make is never the mark
constexpr base::Duration kUnownedKept = base::days(365);

}  // namespace

Limits limits(Counter counter, const Policy& policy) {
  const auto& guess = policy.guess;
  switch (counter) {
    case Counter::pin:
      return {guess.limit, guess.delay_from, guess.delay_first, guess.delay_max, std::nullopt, kUnownedKept};
    case Counter::contacts:
    case Counter::health_card:
      return {guess.limit,     guess.delay_from, guess.delay_first,
              guess.delay_max, base::days(30),   std::nullopt};
    case Counter::link:
      return {kLinkTokens, kLinkTokens + 1, {}, {}, std::nullopt, std::nullopt};
  }
  std::abort();
}

// Attack: (1) fail up to the lock, (2) wait until a clean-up forgets the row, (3) guess on. This is where
// counts end with time, for every reader and for the clean-up, and `failures` of a PIN are not among them.
sealed_store::GuardValue aged(const sealed_store::GuardValue& value, const Limits& limits,
                              base::Instant now) {
  if (limits.forgets_after && now >= value.last + *limits.forgets_after) return {};
  if (value.unowned > 0 && limits.forgets_unowned_after && now >= value.last + *limits.forgets_unowned_after)
    return value.failures > 0 ? sealed_store::GuardValue{value.failures, 0, value.last}
                              : sealed_store::GuardValue{};
  return value;
}

sealed_store::GuardValue reissue_mark(base::Instant at) {
  return {kReissue, 0, at};
}

bool awaits_reissue(const sealed_store::GuardValue& value) {
  return value.failures == kReissue;
}

View look(const sealed_store::GuardValue& value, const Limits& limits, base::Instant now) {
  const auto current = aged(value, limits, now);
  const std::uint32_t total = current.total();
  if (total >= limits.limit || awaits_reissue(current)) return {.locked = true};
  View view{.remaining = limits.limit - total};
  if (total >= limits.delay_from) {
    const std::uint32_t doublings = std::min(total - limits.delay_from, 40U);
    // Asked before it is doubled: a first delay of days, doubled forty times, is no number any more.
    const bool longest = limits.delay_first.ms > limits.delay_max.ms >> doublings;
    const base::Duration delay =
        longest ? limits.delay_max : base::Duration{limits.delay_first.ms << doublings};
    if (now < current.last + delay) view.delayed_until = current.last + delay;
  }
  return view;
}

sealed_store::GuardValue charged(const sealed_store::GuardValue& value, const Limits& limits, bool owned,
                                 base::Instant now) {
  auto next = aged(value, limits, now);
  auto& count = owned ? next.failures : next.unowned;
  if (count < kCountMax) ++count;
  next.last = now;
  return next;
}

}  // namespace sigillo::appliance::guard
