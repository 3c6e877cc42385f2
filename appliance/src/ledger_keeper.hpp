// LedgerKeeper: what becomes of the ledger by itself: marks where a segment may end, and segments let go by
// the policy of [audit]. A thread apart from the housekeeping's, for copying a segment takes as long as it
// takes, and the fence must be looked at every second. Thread rule: a thread of its own; stops in its
// destructor.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "pace.hpp"
#include "segments.hpp"

namespace sigillo::appliance {

class LedgerKeeper {
 public:
  LedgerKeeper(const Context& context, Segments& segments);
  ~LedgerKeeper();

 private:
  void loop();
  void round();
  bool prune();  // whether there may be more

  const Context& context_;
  Segments& segments_;
  Pace prunes_;
  bool failing_ = false;  // said once, until it works again
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sigillo::appliance
