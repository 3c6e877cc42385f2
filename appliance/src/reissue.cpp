#include "reissue.hpp"

#include <algorithm>

namespace sigillo::appliance {

sealed_store::GuardValue Reissue::seen(guard::Counter counter, const sealed_store::GuardValue& stored,
                                       const SubjectRecord& record, const guard::Limits& limits) const {
  if (!covers(record)) return stored;
  switch (counter) {
    case guard::Counter::pin:
      return guard::reissue_mark(*before_);
    case guard::Counter::contacts:
    case guard::Counter::health_card: {
      if (stored.last >= *before_) return stored;
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

}  // namespace sigillo::appliance
