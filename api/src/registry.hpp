// Registry: every open connection with its deadline. A connection states the moment its present phase must be
// over; a sweep every 100 ms ends those that are late. So a deadline costs one atomic store a phase and no
// timer, and it is absolute: a peer that sends a byte a second gains nothing. Ending one from outside is
// ::shutdown() on its descriptor, which is safe from any thread and leaves Asio's own objects alone; the
// connection sees its read or write end, and closes. The descriptor cannot be another's by then: a Watch
// leaves the registry, under its lock, before the descriptor is closed.
// Thread rule: any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_set>

#include <base/clock.hpp>
#include <base/crypto.hpp>

namespace sigillo::api {

std::int64_t steady_ms();

class Registry;

class Watch {
 public:
  Watch(Registry& registry, int descriptor);
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch();

  // The phase that begins now is over by then.
  void phase(base::Duration limit) { deadline_ms_.store(steady_ms() + limit.ms); }
  // Between requests: stop() may end it at once. False where the server is stopping already.
  bool rest(base::Duration limit);
  void wake() { resting_.store(false); }
  // Counts it as one of this certificate's; false where that has its number already.
  bool belongs_to(const base::Digest& certificate_key, std::uint32_t per_certificate_max);

 private:
  friend class Registry;
  Registry& registry_;
  const int descriptor_;
  std::atomic<std::int64_t> deadline_ms_;
  std::atomic<bool> resting_ = false;
  std::optional<base::Digest> certificate_key_;
};

class Registry {
 public:
  void sweep(std::int64_t now_ms);
  void drain();    // from now on no connection rests
  void cut_all();  // ends every one
  bool draining() const { return draining_.load(); }
  bool wait_empty(base::Duration limit);
  std::size_t size() const;

 private:
  friend class Watch;
  void end_resting();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_set<Watch*> watches_;
  std::map<base::Digest, std::uint32_t> by_certificate_;
  std::atomic<bool> draining_ = false;
};

}  // namespace sigillo::api
