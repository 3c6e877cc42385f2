#include "ageing.hpp"

namespace sigillo::appliance {
namespace {

constexpr int kBlocks = 64;  // of 65,536: all counters are seen in some 17 minutes
constexpr int kEndedMax = 100;

std::optional<guard::Limits> limits_of(const sealed_store::GuardKey& key, const Policy& policy) {
  const auto counter = static_cast<guard::Counter>(key.counter);
  switch (counter) {
    case guard::Counter::pin:
    case guard::Counter::contacts:
    case guard::Counter::health_card:
      return guard::limits(counter, policy);
    case guard::Counter::link:  // goes with its link
      return std::nullopt;
  }
  return std::nullopt;
}

std::size_t place_of(const sealed_store::GuardKey& key) {
  return std::size_t{key.counter} - static_cast<std::size_t>(guard::Counter::pin);
}

}  // namespace

bool Ageing::step() {
  int ended = 0;
  for (int i = 0; i < kBlocks && ended < kEndedMax; ++i) {
    Figures::Locked locked{};  // kept once the whole block was gone through
    for (const auto& [key, value] : context_.store.guards_of(block_)) {
      const auto limits = limits_of(key, context_.policy());
      if (!limits) continue;
      const auto now = context_.now();
      const auto aged = guard::aged(value, *limits, now);
      if (guard::look(aged, *limits, now).locked) ++locked[place_of(key)];
      if (aged == value) continue;
      if (!base::sync_wait(end(key))) return false;
      ++ended;
    }
    for (std::size_t k = 0; k < locked.size(); ++k) locked_[k] += locked[k];
    if (++block_ == 0) context_.figures->locked(std::exchange(locked_, {}));
  }
  return true;
}

// Under the subject's turn, so that no charge meets the change half-way; looked at again, for one may have
// come.
base::Task<bool> Ageing::end(sealed_store::GuardKey key) {
  const auto turn = co_await context_.queue.enter(key.subject);
  const auto limits = limits_of(key, context_.policy());
  const auto value = context_.store.guard(key);
  const auto now = context_.now();
  const auto aged = guard::aged(value, *limits, now);
  if (aged == value) co_return true;
  sealed_store::Changes changes{.events = {count_ended(key, aged, now)}, .witnessed = false};
  const auto committed = co_await context_.store.commit(std::move(changes));
  co_return static_cast<bool>(committed);
}

}  // namespace sigillo::appliance
