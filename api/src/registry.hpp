// Registry: every open connection with its deadline. A connection states the moment its present phase must be
// over; a sweep every 100 ms ends those that are late. So a deadline costs one atomic store a phase and no
// timer, and it is absolute: a peer that sends a byte a second gains nothing. Ending one from outside is
// ::shutdown() on its descriptor, which is safe from any thread and leaves Asio's own objects alone; the
// connection sees its read or write end, and closes. The descriptor cannot be another's by then: a Watch
// leaves the registry, under its lock, before the descriptor is closed.
// Who is not authenticated yet holds one of few places, and who has said nothing gives it up to a newcomer.
// Attack: (1) open as many connections as there are places, (2) say nothing, (3) open them again as they end:
// no channel shakes hands any more, for the price of some packets. As with a backlog of SYNs the oldest
// silent one is the first to go: who means to shake hands has spoken by then, and an attacker who speaks
// costs a signature or another hello. Thread rule: any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_set>
#include <utility>

#include <base/clock.hpp>
#include <base/crypto.hpp>

namespace sigillo::api {

std::int64_t steady_ms();

class Registry;

// A place of one who is not authenticated yet, from the accept on; free again when it goes.
class Place {
 public:
  explicit Place(std::atomic<std::uint32_t>& taken) : taken_(&taken) { ++taken; }
  Place(Place&& other) noexcept : taken_(std::exchange(other.taken_, nullptr)) {}
  Place& operator=(Place&&) = delete;
  ~Place() {
    if (taken_ != nullptr) --*taken_;
  }

 private:
  std::atomic<std::uint32_t>* taken_;
};

class Watch {
 public:
  // With a place it is silent until it is heard.
  Watch(Registry& registry, int descriptor, std::optional<Place> place = {});
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch();

  // The phase that begins now is over by then.
  void phase(base::Duration limit) { deadline_ms_.store(steady_ms() + limit.ms); }
  // It spoke: it is not the first to go any more.
  void heard();
  // Authenticated, or at its end: its place is free.
  void leave_place();
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
  std::optional<Place> place_;  // under the registry's lock, as the next
  std::uint64_t arrival_ = 0;   // its key in silent_
};

class Registry {
 public:
  void sweep(std::int64_t now_ms);
  void drain();    // from now on no connection rests
  void cut_all();  // ends every one
  // Ends the silent one that came first, and its place is free at once; false where none is silent.
  bool displace_one();
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
  std::map<std::uint64_t, Watch*> silent_;  // by arrival
  std::uint64_t arrivals_ = 0;
  std::atomic<bool> draining_ = false;
};

}  // namespace sigillo::api
