// Connection: one token of one module, kept alive. It logs in, lends sessions, and when session, login or
// device are lost brings them back: first by opening and logging in again, then by C_Finalize and
// C_Initialize with everyone out. While the device is away callers get Errc::unavailable from a flag and the
// device is left alone but for one watcher thread. Never: a second try with a PIN that was refused, a retry
// of a call whose effect is unknown. Thread rule: any thread. Owned by Pkcs11Token; its callers are gone
// before it is.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include <base/secret.hpp>
#include <hsm/pkcs11_token.hpp>

#include "session_pool.hpp"

namespace sigillo::hsm {

// Whether a call may be made again after a session was lost while it ran.
enum class Retry : std::uint8_t { idempotent, only_if_nothing_was_done };

class Connection {
 public:
  static base::Result<std::unique_ptr<Connection>> open(const TokenOptions& options, const base::Secret& pin);
  ~Connection();

  // Runs `work(Lease&)`, which gives a Result, in a borrowed session; recovers and repeats it once where that
  // is right.
  template <class Work>
  auto call(Retry retry, Work&& work) -> decltype(work(std::declval<Lease&>())) {
    for (bool again = false;; again = true) {
      SIGILLO_CHECK(admit());
      SIGILLO_TRY(Lease lease, pool_.borrow());
      auto result = lease.trouble().meaning == RvClass::ok ? work(lease) : unusable(lease);
      const Trouble trouble = lease.trouble();
      const std::uint64_t generation = lease.generation();
      lease.give_back();  // recovery waits until nobody is inside
      if (result || trouble.meaning == RvClass::ok) return result;
      const bool recovered = recover(trouble, generation);
      const bool harmless = retry == Retry::idempotent || nothing_was_done(trouble.rv);
      if (!recovered || again || !harmless) return result;
    }
  }

  // The module and everything in it anew, though nothing is wrong; `between` while nobody is inside, once the
  // module is. Errc::unavailable where it did not end, and so is what it was.
  base::Result<void> restart(const std::function<void()>& between);

  std::size_t parallelism() const { return pool_.limit(); }
  CK_SLOT_ID slot() const { return pool_.slot(); }
  TokenState state() const { return state_.load(std::memory_order_acquire); }
  std::uint64_t logins() const { return pool_.generation(); }  // each begins a generation of handles
  base::Duration blocked_for() const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  // Work in the module that no lease is out for: told by blocked_for() as long as it takes.
  template <class Work>
  base::Result<void> bring_back(Work&& work) {
    bringing_back_ = std::chrono::steady_clock::now();
    auto done = work();
    bringing_back_ = Time{};
    return done;
  }

  Connection(const TokenOptions& options, std::unique_ptr<Module> module, base::Secret pin);

  base::Result<void> admit() const;
  const std::string& token_name() const {
    return options_.token_label.empty() ? options_.token_serial : options_.token_label;
  }
  static base::Error unusable(const Lease& lease) {
    return to_error(Function::open_session, lease.trouble().rv);
  }
  // Acts upon a trouble. True: sessions and handles are new, the call may be made again.
  bool recover(const Trouble& trouble, std::uint64_t generation);
  base::Result<void> reopen(const Trouble& trouble, std::uint64_t generation);
  void ask_canary(std::uint64_t generation);

  // The next two while the pool is drained.
  base::Result<void> connect();
  base::Result<void> log_in(const CK_TOKEN_INFO& token, CK_SESSION_HANDLE session);

  void go_down(const char* why, unsigned long raw, const Trouble& trouble);
  void refuse();
  void watch();
  bool revive();
  base::Result<void> reload();

  const TokenOptions options_;
  std::unique_ptr<Module> module_;
  base::Secret pin_;
  SessionPool pool_;
  std::atomic<TokenState> state_{TokenState::away};
  std::atomic<Time> bringing_back_{};  // since when; of the clock's beginning: nobody does

  std::mutex recovery_;  // one recovery at a time; guards pin_ and the two below
  std::chrono::steady_clock::time_point next_reload_{};
  std::chrono::milliseconds reload_pause_{};  // after one that did not help

  std::mutex watch_mutex_;
  std::condition_variable watch_wake_;
  bool stop_ = false;
  std::thread watcher_;
};

}  // namespace sigillo::hsm
