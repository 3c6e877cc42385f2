// State: what of the store lives in memory, and is the authority there: head, counters, fingerprints. It
// changes only after the COMMIT that says so, and only on the writer thread, but for what a reader has found
// out: a bucket's marks, an alarm. Thread rule: `mutex` guards every member (the writer alone may read
// without it what nobody else writes: all but those two). `commit` is held by the writer from before COMMIT
// until memory has followed: who holds it sees disk and memory agree, unless `in_doubt`. Order: commit before
// mutex; nothing is waited for under mutex.
#pragma once

#include <mutex>

#include "fresh_queues.hpp"
#include "fresh_rows.hpp"
#include "guard_table.hpp"

namespace sigillo::sealed_store {

struct State {
  explicit State(base::Secret fresh_key) : prf(std::move(fresh_key)) {}

  // What an entry's root is of: all rows, and all lists of them.
  base::Digest root(const Lanes& rows_total, const Lanes& queues_total) const {
    auto total = rows_total;
    total += queues_total;
    return prf.root(total);
  }

  const Prf prf;
  std::mutex commit;
  mutable std::mutex mutex;
  Head head;
  GuardTable guards;
  FreshRows rows;
  FreshQueues queues;
  bool queues_known = false;  // false after a load that found none: they are to be counted
  bool in_doubt = false;  // a COMMIT failed and the file was not asked yet: no disagreement proves anything
  LedgerBase base;        // what is not beyond it may be gone
  std::uint64_t replay_from = 1;  // the ledger from here on is not in the guard table yet
};

}  // namespace sigillo::sealed_store
