// What a charge and a refund make of a counter. Both stores use exactly this.
// Thread rule: pure functions.
#pragma once

#include <algorithm>

#include <sealed_store/store.hpp>

namespace sigillo::sealed_store {

inline GuardValue after_charge(const Charge& charge) {
  if (charge.event.guard) return charge.event.guard->second;
  GuardValue after = charge.expected;
  if (after.failures < UINT16_MAX) ++after.failures;
  after.last = charge.event.time;
  return after;
}

// Attempts on one subject are serialised by the caller, so that `current` is `after`. Were it not, putting
// `before` back would undo someone else's charge: then exactly what this attempt added is taken away.
inline GuardValue after_refund(const GuardValue& current, const GuardValue& before, const GuardValue& after) {
  if (current == after) return before;
  const auto less = [](std::uint16_t count, std::uint16_t from, std::uint16_t to) {
    const auto added = static_cast<std::uint16_t>(to > from ? to - from : 0);
    return static_cast<std::uint16_t>(count - std::min(count, added));
  };
  return {less(current.failures, before.failures, after.failures),
          less(current.unowned, before.unowned, after.unowned), current.last};
}

// A subject without a count has no guard value: what time it was last charged goes with it.
inline GuardValue normal(const GuardValue& value) {
  return value.total() == 0 ? GuardValue{} : value;
}

}  // namespace sigillo::sealed_store
