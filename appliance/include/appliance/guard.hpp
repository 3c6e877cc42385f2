// Guard: the arithmetic of the guess limit, pure. One function computes whether a subject is delayed or
// locked, for enforcement, for status and for notices alike: two would one day say two things. The values
// live in the store; who may change them is lifecycle's. Thread rule: pure functions.
#pragma once

#include <optional>

#include <appliance/policy.hpp>
#include <sealed_store/store.hpp>

namespace sigillo::appliance::guard {

// The counters of a subject, each its own; and a link's, whose key is the link's id. On disk: never
// renumbered.
enum class Counter : std::uint8_t { pin = 1, contacts = 2, health_card = 3, link = 4 };

struct Limits {
  std::uint32_t limit, delay_from;
  base::Duration delay_first, delay_max;
  std::optional<base::Duration> forgets_after;          // contacts and health card: 30 days
  std::optional<base::Duration> forgets_unowned_after;  // the PIN: a year
};
Limits limits(Counter counter, const Policy& policy);

// What is left of a counter by `now`. Failures that were charged against a live credential never end with
// time; those charged while there was none do, a year after the last, of subjects that exist and of those
// that do not alike. No credential was guessed at by any of them, so that none is guessed at more often for
// it.
sealed_store::GuardValue aged(const sealed_store::GuardValue& value, const Limits& limits, base::Instant now);

// The mark that a restore leaves on whoever was active after its snapshot: a count that no guess makes, so
// that whoever has it is locked everywhere by the one function that locks; it ends as a lock does, with a new
// credential, and folds, restarts and years go by it. `last` is the restore's moment.
sealed_store::GuardValue reissue_mark(base::Instant at);
bool awaits_reissue(const sealed_store::GuardValue& value);

struct View {
  bool locked = false;
  std::optional<base::Instant> delayed_until;  // in the future of `now`, never with locked
  std::uint32_t remaining = 0;                 // evaluations left before the lock
  bool open() const { return !locked && !delayed_until; }
};
View look(const sealed_store::GuardValue& value, const Limits& limits, base::Instant now);

// The value after one more attempt at `now`; `owned` where a credential is live.
sealed_store::GuardValue charged(const sealed_store::GuardValue& value, const Limits& limits, bool owned,
                                 base::Instant now);

}  // namespace sigillo::appliance::guard
