// Resealer: brings every record under the active record key, beside a serving appliance and throttled. It
// keeps no place of its own: a record says which key it is under, so a run that was killed goes on by going
// through them again. A record that an operation changes meanwhile is left to that operation, which seals
// under the new key anyway. Thread rule: a thread of its own; stops in its destructor, at the next batch.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "context.hpp"

namespace sigillo::appliance {

class Resealer {
 public:
  // Begins at once where the ring has older record keys than the active one.
  explicit Resealer(const Context& context);
  ~Resealer();

  struct State {
    bool running = false;
    bool failed = false;  // the last run ended with an error; the next wake() or start tries again
    std::uint64_t seen = 0, resealed = 0;  // of the run that goes on, or of the last one
  };
  State state() const;
  void wake();  // a new record key is active
  // Waits for a change of state, no longer than `wait`.
  State await(base::Duration wait) const;

 private:
  void loop();
  base::Result<void> run();
  base::Result<void> batch(const std::vector<sealed_store::RecordKey>& keys, KeySnapshot now);
  bool pause();  // false: it is to stop

  const Context& context_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  State state_;
  bool wanted_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace sigillo::appliance
