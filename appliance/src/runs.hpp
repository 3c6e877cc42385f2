// Runs: the starts and stops of an appliance whose anchor lags (anchor.mode "interval"). A store that is put
// back to what was anchored last gives a guesser one interval again, and a kill is what makes that unseen: so
// a run that did not end with its mark is counted, and ten of them within 24 hours hold the next one back.
// The time is that of running, summed up by a clock that nobody sets: jumps of the machine's clock forget
// nothing, and hours switched off forget nothing either. Thread rule: begin() and end() by the assembly,
// accept() and keep_time() from any thread.
#pragma once

#include <chrono>
#include <mutex>
#include <vector>

#include "context.hpp"

namespace sigillo::appliance {

inline constexpr const char* kHoldUncleanStops = "unclean-stops";

struct RunsRecord {
  bool open = false;  // a run that gives freshness up has begun, and its end is not written
  std::int64_t served_ms = 0;
  std::vector<std::int64_t> unclean;  // served_ms when each was found, oldest first
  template <class V>
  void fields(V&& v) {
    v(open, served_ms, unclean);
  }
};

namespace runs {
inline constexpr std::size_t kUncleanMax = 10;
inline constexpr base::Duration kWindow = base::hours(24);
// True where the run before was left open: it is counted.
bool begin(RunsRecord& record, bool gives_up_freshness);
// Time that went by in this run; what has left the window is forgotten.
void serve(RunsRecord& record, base::Duration time);
bool too_many(const RunsRecord& record);
}  // namespace runs

class Runs {
 public:
  explicit Runs(const Context& context);

  // Adds to the commit of a start what it finds, and has that commit anchored: see begin()'s text.
  base::Result<void> begin(sealed_store::Changes& start);
  bool too_many() const;  // and this run counts: the appliance is held
  std::size_t unclean() const;
  // Adds the mark to the commit of a stop.
  void end(sealed_store::Changes& stop);
  // An officer has: the count begins anew.
  base::Result<void> accept(sealed_store::Event event);
  // Now and then, from housekeeping.
  void keep_time();

 private:
  using Steady = std::chrono::steady_clock;
  void pass_time();
  sealed_store::Put put() const;

  const Context& context_;
  const bool counts_;
  mutable std::mutex mutex_;
  RunsRecord record_;
  Steady::time_point since_ = Steady::now();  // what served_ms does not have yet
};

}  // namespace sigillo::appliance
