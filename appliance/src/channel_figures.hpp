// ChannelFigures: what one channel's requests came to: its outcomes since the appliance opened, and the watch
// for spraying. A channel has them for as long as the registry knows it, whatever officers change of it; they
// know no subject, no PIN and no digest of either. Thread rule: any thread. An outcome costs one atomic
// addition, a look of the watch a lock that is held for a dozen instructions, by this channel's answers
// alone.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include <appliance/config.hpp>
#include <appliance/ledger_events.hpp>
#include <base/clock.hpp>
#include <sealed_store/charge.hpp>

namespace sigillo::appliance {

class Outcomes {
 public:
  static constexpr std::size_t kKinds = 16;
  void add(EventOutcome outcome) {
    counts_[static_cast<std::size_t>(outcome)].fetch_add(1, std::memory_order_relaxed);
  }
  std::uint64_t of(EventOutcome outcome) const {
    return counts_[static_cast<std::size_t>(outcome)].load(std::memory_order_relaxed);
  }
  // Those whose secret was compared: all but who was turned away by a counter.
  std::uint64_t evaluated() const;

 private:
  std::array<std::atomic<std::uint64_t>, kKinds> counts_{};
};

// Attack: (1) take over a portal, or sit behind one, (2) try one PIN, or one that was stolen elsewhere, at
// each of a hundred thousand subjects, so that no counter comes near its limit. A citizen who slips comes
// back with the right PIN within minutes, and who sprays does not: so what is counted are misses that were
// opened and not made good. A credential opens one in a window at most, and who makes his own good adds
// nothing by it; so the number is one of credentials, and no list of them is kept. Who is unknown misses as
// anybody does.
class SprayWatch {
 public:
  // What an evaluated PIN is to its credential. A miss opens where there was none for a window before; it is
  // made good by the right PIN within a window of the last one.
  enum class Pin : std::uint8_t { opens_miss, misses_again, right, makes_good };
  // `ends_count`: the settle sets the count to zero.
  static Pin look(const sealed_store::ChargedAttempt& attempt, bool right, bool ends_count,
                  base::Duration window);

  struct Window {
    std::int64_t standing = 0;  // misses opened less those made good; what was opened before may make it < 0
    std::int64_t right = 0;
  };
  // What the window has come to, where this PIN raises the alarm: once in each.
  std::optional<Window> note(Pin pin, base::Instant now, const SprayAlarm& alarm);

 private:
  std::mutex mutex_;
  std::int64_t number_ = 0;  // of the window, from 1970 on; they do not overlap
  Window window_;
  bool raised_ = false;
};

struct ChannelFigures {
  Outcomes outcomes;
  SprayWatch spray;
};

}  // namespace sigillo::appliance
