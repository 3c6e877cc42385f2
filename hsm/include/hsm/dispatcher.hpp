// Dispatcher: the way into the HSM and back. A coroutine awaits a call on the Token with a deadline: a worker
// makes it, as many in parallel as the token has sessions, and the coroutine goes on on a decider. The two
// are threads of their own, so that the next call is in the module while somebody reads, opens and decides on
// what the last one gave, and so that each has its own code in its core's caches. When a call does not come
// back in time the coroutine goes on with Errc::deadline (QueueErrc::overdue where it waited), and whatever
// the module returns later is destroyed (a Digest or Secret is wiped) without being looked at. What follows a
// call must be short and must not block on disk for long. Thread rule: any thread. Owned by the composition;
// it outlives every coroutine that awaits it.
#pragma once

#include <array>
#include <memory>
#include <variant>

#include <base/clock.hpp>
#include <base/cores.hpp>
#include <base/histogram.hpp>
#include <base/task.hpp>
#include <hsm/token.hpp>

namespace sigillo::hsm {

struct DispatcherOptions {
  std::size_t workers = 1;  // one for a module that scales negatively (SoftHSM2), sessions for a network HSM
  std::size_t deciders = base::half_of_the_cores();  // with one worker, one keeps the order of the calls
  base::Duration deadline = base::seconds(5);
  std::size_t queue_max = 10'000;  // beyond it a call is refused at once with QueueErrc::full
};

// What no token says: there is too much to do, and the module does not hang.
enum class QueueErrc : std::uint16_t {
  overdue = 250,  // not through the queues by its deadline
  full,
};

class Dispatcher {
 public:
  Dispatcher(Token& token, DispatcherOptions options);
  ~Dispatcher();  // runs what is queued, then joins; a call that hangs is waited for
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Inputs are owned by the job (and wiped with it), for a hung call may outlive its coroutine.
  base::Task<base::Result<base::Digest>> hmac(KeyRef key, base::Secret message);
  base::Task<base::Result<base::Bytes>> sign(KeyRef key, base::Digest digest);
  base::Task<base::Result<base::Secret>> random(std::size_t bytes);

  // Goes on on a decider, without touching the token: the way back from the store's writer to a thread that
  // may work. It never enters the module, so it goes on where every worker is lost there.
  base::Task<std::monostate> hop();

  // For health: the token is there, no call failed since set_healthy(true), and not every worker waits for
  // one that does not come back (then calls are refused at once). A full queue is overload, and no fault of
  // the HSM's.
  bool healthy() const;
  // By who asked for everything that calls need. A call that succeeds says nothing of the one that failed:
  // random goes on where a MAC key is gone.
  void set_healthy(bool healthy);
  // HSM calls begun since start, by kind; the same-work test and the bench count with it.
  std::uint64_t calls() const;
  // How its threads are taken up just now, and how long calls took in the module, by function: hmac, sign,
  // random.
  struct Load {
    std::size_t workers = 0, stuck = 0;
    std::size_t queued = 0, undecided = 0;  // what waits for a worker, and for a decider
  };
  Load load() const;
  std::uint64_t logins() const;  // of the token
  static constexpr std::array<const char*, 3> kFunctions = {"hmac", "sign", "random"};
  const std::array<base::Histogram, 3>& times() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sigillo::hsm
