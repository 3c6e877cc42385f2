// WitnessThread: has the newest durable head recorded outside, and tells those who wait for theirs. One
// record covers every commit that became durable before it, whoever asked when; the writer goes on meanwhile.
// Thread rule: await() and coming() on the writer thread, the others on any; waiters are told on the witness
// thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <sealed_store/sqlcipher_store.hpp>

#include "state.hpp"

namespace sigillo::sealed_store {

class WitnessThread {
 public:
  using Done = std::function<void(base::Result<void>)>;

  // Told with a lock held, whenever it changes: whether a waiter of now would wait for another's record
  // first.
  using Busy = std::function<void(bool)>;

  WitnessThread(HeadWitness& witness, const StoreOptions& options, const State& state, const Head& recorded,
                Busy busy);
  ~WitnessThread() { stop(); }

  // The head in memory is already what the waiter wants recorded. Errc::not_witnessed or Errc::fenced else.
  void await(Done done);
  // A commit is on its way, and who waits in it asks for a record once it is durable; then, or when it
  // failed, none is.
  void coming(bool on);
  void stop();  // tells all who wait, records the last head, ends

  bool fenced() const { return fenced_; }
  std::uint64_t recorded() const { return recorded_seq_; }
  std::optional<base::Error> trouble() const;

 private:
  using Duration = std::chrono::steady_clock::duration;
  struct Waiter {
    std::uint64_t seq;  // of the head that it wants recorded
    Done done;
  };
  void run();
  void let_come(std::unique_lock<std::mutex>& lock);
  void breathe();
  std::size_t record_and_tell();
  base::Result<void> record(const Head& head);

  HeadWitness& witness_;
  const WitnessMode mode_;
  const std::chrono::milliseconds interval_;
  const State& state_;
  const Busy busy_;
  std::atomic<std::uint64_t> recorded_seq_;  // written by the witness thread
  Duration pause_{};                         // as long as the last record, but for kPauseMax; its own

  mutable std::mutex mutex_;
  std::condition_variable wake_;     // somebody waits, and no commit is on its way
  std::condition_variable stopped_;  // during a pause nothing else ends it
  std::vector<Waiter> waiting_;      // by seq
  bool coming_ = false;
  std::optional<base::Error> trouble_;
  bool stopping_ = false;
  std::atomic<bool> fenced_ = false;
  std::thread thread_;
};

}  // namespace sigillo::sealed_store
