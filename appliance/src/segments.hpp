// Segments: the ledger's past, exported and let go. Marks note, in fresh sealed records, where a segment may
// end: the head of that moment, which memory vouches for. A prune copies what stands before a mark into a
// file, checks the chain into the mark's hash, has the HSM sign it, checks the file as an auditor would, and
// only then tells the store to let the rows go; that is in the ledger too. Attack it stops: (1) write into
// the store's old rows, (2) wait until they are exported under the HSM's signature. Thread rule: any thread;
// one at a time.
#pragma once

#include <atomic>
#include <mutex>

#include <appliance/checkpoint.hpp>

#include "context.hpp"

namespace sigillo::appliance {

// What may go: entries older than this, and all but so many of the last. Nothing: no limit of that kind.
struct PruneLimits {
  std::optional<base::Instant> before;
  std::optional<std::uint64_t> keep;
};

struct PrunedSegment {
  std::uint64_t first = 0, last = 0;
  std::string file;
  std::uint64_t seq = 0;  // the ledger entry that says so
};

class Segments {
 public:
  explicit Segments(const Context& context) : context_(context) {}

  // Notes the head where `audit.segment_entries` went by since the last mark, or a day; `at_once` in any
  // case.
  base::Result<bool> mark(bool at_once = false);  // whether it did
  // The next segment that may go, into a file of the folder; nothing where none may.
  base::Result<std::optional<PrunedSegment>> prune(const std::string& folder, const PruneLimits& limits);
  void stop() { stopped_ = true; }  // a copy that is under way ends soon, and leaves nothing

 private:
  struct Mark {
    Id id{};
    std::uint64_t seq = 0;
    base::Digest hash{};
    base::Instant time{};
  };
  base::Result<std::vector<Mark>> marks() const;  // by seq
  std::optional<Mark> choose(const std::vector<Mark>& marks, const PruneLimits& limits) const;
  base::Result<std::string> sign(const Mark& mark, std::uint64_t first) const;
  base::Result<void> write(const std::string& path, const Mark& mark, const std::string& note) const;
  base::Result<void> forget(const std::vector<Mark>& marks, std::uint64_t upto);

  const Context& context_;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;
  std::optional<Mark> last_;  // the newest mark, once it was looked for
};

}  // namespace sigillo::appliance
