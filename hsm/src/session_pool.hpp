// SessionPool: a bounded number of sessions, lent one at a time. It is also the gate to the module: whoever
// calls it holds a Lease, so that when no Lease is out nobody is inside, and only then are sessions closed
// (SoftHSM2 2.6.1 crashes when one is closed beside a call in another; a session that had an error is parked
// until then). Thread rule: any thread. Owned by the Connection.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <vector>

#include <base/clock.hpp>

#include "module.hpp"

namespace sigillo::hsm {

class SessionPool;

// What went wrong inside a lease, for the Connection to act upon. The session's age, and how long it was idle
// before the lease, are for whoever reads the log: a firewall on the way shows in them.
struct Trouble {
  RvClass meaning = RvClass::ok;
  CK_RV rv = CKR_OK;
  std::chrono::milliseconds session_age{}, session_idle{};
};

class Lease {
 public:
  using Time = std::chrono::steady_clock::time_point;
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&&) = delete;
  ~Lease() { give_back(); }

  CK_SESSION_HANDLE session() const { return session_.handle; }
  // The persistent logged-in session: objects that must outlive this lease are made in it.
  CK_SESSION_HANDLE login_session() const { return login_session_; }
  std::uint64_t generation() const {
    return generation_;
  }  // of the login: object handles are of one generation
  const Module& module() const;

  // Every CK_RV of a call made under the lease goes through here; a failure is remembered and parks the
  // session.
  base::Result<void> check(Function function, CK_RV rv,
                           std::source_location where = std::source_location::current());
  const Trouble& trouble() const { return trouble_; }
  void give_back();

 private:
  friend class SessionPool;
  struct Session {
    CK_SESSION_HANDLE handle = CK_INVALID_HANDLE;
    Time opened{}, used{};
  };
  Lease(SessionPool* pool, std::list<Time>::iterator since) : pool_(pool), since_(since) {}
  SessionPool* pool_;
  std::list<Time>::iterator since_;  // the pool's: when it was lent
  Session session_;
  CK_SESSION_HANDLE login_session_ = CK_INVALID_HANDLE;
  std::uint64_t generation_ = 0;
  Trouble trouble_;
};

class SessionPool {
 public:
  SessionPool(const Module& module, std::size_t sessions_max, base::Duration wait);
  ~SessionPool() = default;  // the Connection has drained it and closed what was open

  // Waits for a free session no longer than `wait`: Errc::unavailable. A lease may come back with trouble()
  // where C_OpenSession failed or gave a session without the login; it is then good for nothing else.
  base::Result<Lease> borrow();

  // How long a call has not come back that keeps others out: the pool was shut meanwhile (for a drain that is
  // to bring the device back), or somebody found no session. 0: none does.
  base::Duration blocked_for() const;

  // Waits until no lease is out, and lets none out until resume(). False: someone is stuck inside, and the
  // pool goes on as it was.
  bool drain(base::Duration wait);
  void resume();

  // Refuses every borrow() with Errc::unavailable at once, and wakes those who wait, until renew().
  void shut();
  // While drained: all sessions, the login's too. Forgetting is for after C_Finalize, when a handle may be
  // another's.
  void close_sessions();
  void forget_sessions();
  // While drained: begins a new generation under this login, bounded by the token's own limit, and ends
  // shut().
  void renew(CK_SLOT_ID slot, CK_SESSION_HANDLE login_session, std::size_t token_max);

  std::uint64_t generation() const;
  std::size_t limit() const;
  CK_SLOT_ID slot() const;

 private:
  friend class Lease;
  void open_session(Lease& lease, CK_SLOT_ID slot);
  void wake_first_locked();
  bool place_free_locked();
  bool place_behind_queue_locked() const;
  bool learn_limit();
  bool one_hangs_locked() const;
  void give_back(const Lease& lease);
  void close_parked_locked();

  const Module& module_;
  const std::size_t sessions_max_;
  const base::Duration wait_;
  mutable std::mutex mutex_;
  std::condition_variable drained_;
  bool shut_ = true;
  bool draining_ = false;
  // The parked ones hold the last free places: nobody enters until they are closed, but for idle sessions
  // while a call hangs, which may be for ever.
  bool sweeping_ = false;
  bool starved_ = false;  // the last who asked got no session
  CK_SLOT_ID slot_ = 0;
  CK_SESSION_HANDLE login_session_ = CK_INVALID_HANDLE;
  std::uint64_t generation_ = 0;
  std::size_t limit_;
  std::list<Lease::Time> lent_;               // since when, the oldest first
  std::list<std::condition_variable> queue_;  // who waits, in the order of arrival
  std::vector<Lease::Session> idle_;
  std::vector<CK_SESSION_HANDLE> parked_;
};

}  // namespace sigillo::hsm
