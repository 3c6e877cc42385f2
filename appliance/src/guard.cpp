#include <appliance/guard.hpp>

#include <algorithm>

namespace sigillo::appliance::guard {
namespace {

constexpr std::uint32_t kLinkTokens = 5;
constexpr std::uint16_t kCountMax = 0xffff;

// Attack: (1) fail up to the lock, (2) wait until a clean-up forgets the row, (3) guess on. Only the counters
// that the rules let end after 30 days are ever forgotten, and this is where, for every reader.
sealed_store::GuardValue aged(const sealed_store::GuardValue& value, const Limits& limits,
                              base::Instant now) {
  if (limits.forgets_after && now >= value.last + *limits.forgets_after) return {};
  return value;
}

}  // namespace

Limits limits(Counter counter, const Policy& policy) {
  const auto& guess = policy.guess;
  switch (counter) {
    case Counter::pin:
      return {guess.limit, guess.delay_from, guess.delay_first, guess.delay_max, std::nullopt};
    case Counter::contacts:
    case Counter::health_card:
      return {guess.limit, guess.delay_from, guess.delay_first, guess.delay_max, base::days(30)};
    case Counter::link:
      return {kLinkTokens, kLinkTokens + 1, {}, {}, std::nullopt};
  }
  std::abort();
}

View look(const sealed_store::GuardValue& value, const Limits& limits, base::Instant now) {
  const auto current = aged(value, limits, now);
  const std::uint32_t total = current.total();
  if (total >= limits.limit) return {.locked = true};
  View view{.remaining = limits.limit - total};
  if (total >= limits.delay_from) {
    const std::uint32_t doublings = std::min(total - limits.delay_from, 40U);
    const base::Duration delay{std::min(limits.delay_first.ms << doublings, limits.delay_max.ms)};
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
