#include "reissue.hpp"

#include <algorithm>

namespace sigillo::appliance {
namespace {

// Of the counters that a match or a branch ends; nothing of the others.
std::optional<base::Instant>* ended_of(guard::Counter counter, CountersEnded& ended) {
  switch (counter) {
    case guard::Counter::contacts:
      return &ended.contacts;
    case guard::Counter::health_card:
      return &ended.health_card;
    case guard::Counter::pin:
    case guard::Counter::link:
      return nullptr;
  }
  std::abort();
}

}  // namespace

sealed_store::GuardValue Reissue::seen(guard::Counter counter, const sealed_store::GuardValue& stored,
                                       const SubjectRecord& record, const guard::Limits& limits) const {
  if (!covers(record)) return stored;
  switch (counter) {
    case guard::Counter::pin:
      return guard::reissue_mark(*before_);
    case guard::Counter::contacts:
    case guard::Counter::health_card: {
      // A counter that ended has no value in the store, and so no time: the record has it.
      auto ended = record.ended.value;
      const auto& at = *ended_of(counter, ended);
      if (stored.last >= *before_ || (at && *at >= *before_)) return stored;
      const auto last_but_one = static_cast<std::uint16_t>(std::min<std::uint32_t>(limits.limit - 1, 0xffff));
      // No delay is due any more: who asks is more likely a citizen than who guessed last.
      return {std::max(last_but_one, static_cast<std::uint16_t>(std::min(stored.total(), 0xffffU))),
              0,
              {before_->ms - limits.delay_max.ms}};
    }
    case guard::Counter::link:  // links of before are dead
      return stored;
  }
  std::abort();
}

bool Reissue::note_ended(guard::Counter counter, SubjectRecord& record, base::Instant now) const {
  auto* at = ended_of(counter, record.ended.value);
  if (at == nullptr || !covers(record)) return false;
  *at = now;
  return true;
}

}  // namespace sigillo::appliance
