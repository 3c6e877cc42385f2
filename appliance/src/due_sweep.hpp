// DueSweep: what fell due leaves the store: kept answers and the secrets in them, links, verifiers of lapsed
// credentials, uses of contacts, outcomes of deliveries. What cannot be read keeps nothing behind it waiting:
// it is passed with an alarm, and looked at again a minute later. It touches nothing but under the same turns
// as everybody else, re-reads before it erases, and reads on its caller's thread, for the deciders have
// requests waiting. Thread rule: the housekeeping's.
#pragma once

#include <array>
#include <chrono>
#include <limits>
#include <span>

#include "engine.hpp"

namespace sigillo::appliance {

class DueSweep {
 public:
  explicit DueSweep(Engine& engine);

  // Until nothing is due, or the time is up: of each queue a page at least. Waits for its commits. False
  // where the store did not serve: the next would fail like it, in front of those who wait for the writer.
  bool step(std::chrono::steady_clock::duration time);

 private:
  struct Taking;  // what goes with one commit, and what is held until it is made
  using Take = base::Task<base::Result<void>> (*)(Engine&, Id, Taking&);
  struct Line {
    Queue queue;
    Take take;
    std::size_t at_once;                                 // in one commit, which is one entry of the ledger
    std::optional<sealed_store::DueRecord> passed = {};  // while something before it stands there still
    base::Instant again = kNever;                        // when that is looked at once more
  };
  struct Takes;
  using Due = std::span<const sealed_store::DueRecord>;
  bool sweep(Line& line, std::chrono::steady_clock::time_point until);
  bool sweep(Line& line, Due due);
  base::Task<base::Result<void>> commit(const Line& line, Due due);

  static constexpr base::Instant kNever{std::numeric_limits<std::int64_t>::max()};

  Engine& engine_;
  std::array<Line, 5> lines_;
  base::Instant looked_{};
};

}  // namespace sigillo::appliance
