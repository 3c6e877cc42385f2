#include "session_pool.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace sigillo::hsm {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

Lease::Lease(Lease&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)),
      since_(other.since_),
      session_(other.session_),
      login_session_(other.login_session_),
      generation_(other.generation_),
      trouble_(other.trouble_) {}

const Module& Lease::module() const {
  return pool_->module_;
}

base::Result<void> Lease::check(Function function, CK_RV rv, std::source_location where) {
  const RvClass meaning = classify(function, rv);
  if (meaning == RvClass::ok) return base::ok();
  trouble_ = {meaning, rv, {}, {}};
  if (session_.handle != CK_INVALID_HANDLE) {
    trouble_.session_age = duration_cast<milliseconds>(steady_clock::now() - session_.opened);
    trouble_.session_idle = duration_cast<milliseconds>(*since_ - session_.used);
  }
  return to_error(function, rv, where);
}

void Lease::give_back() {
  if (auto* pool = std::exchange(pool_, nullptr)) pool->give_back(*this);
}

SessionPool::SessionPool(const Module& module, std::size_t sessions_max, base::Duration wait)
    : module_(module),
      sessions_max_(std::max<std::size_t>(sessions_max, 1)),
      wait_(wait),
      limit_(sessions_max_) {}

base::Result<Lease> SessionPool::borrow() {
  std::unique_lock lock(mutex_);
  const auto until = steady_clock::now() + milliseconds(wait_.ms);
  if (!place_free_locked() || !place_behind_queue_locked()) {
    // In the order of arrival: a caller that has just given its session back would be first again and again.
    // Who leaves a place to each that waits stands in nobody's way, and does not sleep behind one that is
    // being woken.
    const auto place = queue_.emplace(queue_.end());
    bool in_time = true;
    while (!shut_ && in_time && !(place == queue_.begin() && place_free_locked())) {
      in_time = place->wait_until(lock, until) == std::cv_status::no_timeout;
    }
    const bool mine = place == queue_.begin() && place_free_locked();
    queue_.erase(place);
    wake_first_locked();
    if (!shut_ && !mine) {
      starved_ = true;
      return base::Error(Errc::unavailable, "no session became free in time");
    }
  }
  if (shut_) return base::Error(Errc::unavailable, "the device is away");
  starved_ = false;
  Lease lease(this, lent_.insert(lent_.end(), steady_clock::now()));
  lease.login_session_ = login_session_;
  lease.generation_ = generation_;
  if (!idle_.empty()) {
    lease.session_ = idle_.back();
    idle_.pop_back();
    return lease;
  }
  const CK_SLOT_ID slot = slot_;
  lock.unlock();
  open_session(lease, slot);
  if (lease.trouble().rv == CKR_SESSION_COUNT && learn_limit()) {
    lease.give_back();
    return borrow();  // and waits for one of those, for the limit is lower now
  }
  return lease;
}

// The token's real limit is lower than it said: what the others hold is what it can give. False: nobody holds
// any.
bool SessionPool::learn_limit() {
  const std::lock_guard lock(mutex_);
  const std::size_t others = idle_.size() + parked_.size() + lent_.size() - 1;
  limit_ = std::max<std::size_t>(std::min(limit_, others), 1);
  return others > 0;
}

// The first alone: were all told of each session that comes back, a full pool's callers would wake each other
// more than they call.
void SessionPool::wake_first_locked() {
  if (!queue_.empty()) queue_.front().notify_one();
}

// One more than those who wait need.
bool SessionPool::place_behind_queue_locked() const {
  return std::max(idle_.size(), limit_ - std::min(limit_, parked_.size() + lent_.size())) > queue_.size();
}

bool SessionPool::place_free_locked() {
  // 1. a call hangs; 2. another fails, and its session is parked; 3. whoever waits for the two to come back
  // waits for ever, beside good sessions that lie idle.
  if (draining_ || (sweeping_ && !one_hangs_locked())) return false;
  if (!idle_.empty() || idle_.size() + parked_.size() + lent_.size() < limit_) return true;
  if (parked_.empty()) return false;
  if (lent_.empty()) {
    close_parked_locked();
    return true;
  }
  sweeping_ = true;  // the last lease to come back closes them
  return false;
}

// Out for longer than anybody waits for a session.
bool SessionPool::one_hangs_locked() const {
  return !lent_.empty() && steady_clock::now() - lent_.front() > milliseconds(wait_.ms);
}

base::Duration SessionPool::blocked_for() const {
  const std::lock_guard lock(mutex_);
  if (lent_.empty() || !(shut_ || starved_)) return {};
  return {duration_cast<milliseconds>(steady_clock::now() - lent_.front()).count()};
}

// A session can be opened where the login is gone, and shows a token without its private objects. Read as the
// truth:
// 1. the login is lost (C_CloseAllSessions or C_Logout by another user of the module, a fail-over);
// 2. a fresh session lists no anchor and no keys; 3. the store takes the token for a new one.
void SessionPool::open_session(Lease& lease, CK_SLOT_ID slot) {
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  const CK_RV rv =
      module_->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session);
  if (!lease.check(Function::open_session, rv)) return;
  lease.session_ = {session, *lease.since_, *lease.since_};
  CK_SESSION_INFO info{};
  if (!lease.check(Function::session_info, module_->C_GetSessionInfo(session, &info))) return;
  if (info.state != CKS_RW_USER_FUNCTIONS)
    lease.trouble_ = {RvClass::session_lost, CKR_USER_NOT_LOGGED_IN, {}, {}};
}

void SessionPool::give_back(const Lease& lease) {
  const std::lock_guard lock(mutex_);
  lent_.erase(lease.since_);
  if (lease.session_.handle != CK_INVALID_HANDLE && lease.generation_ == generation_) {
    // After an error nobody knows what operation is still active in the session: the next caller would get
    // CKR_OPERATION_ACTIVE, or finish the work of the last one.
    if (lease.trouble_.meaning == RvClass::ok)
      idle_.push_back({lease.session_.handle, lease.session_.opened, steady_clock::now()});
    else
      parked_.push_back(lease.session_.handle);
  }
  if (sweeping_ && lent_.empty()) close_parked_locked();
  wake_first_locked();
  if (draining_ && lent_.empty()) drained_.notify_one();
}

void SessionPool::close_parked_locked() {
  for (const auto session : parked_) module_->C_CloseSession(session);
  parked_.clear();
  sweeping_ = false;
}

bool SessionPool::drain(base::Duration wait) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  const bool empty = drained_.wait_for(lock, milliseconds(wait.ms), [&] { return lent_.empty(); });
  if (!empty) {
    draining_ = false;
    wake_first_locked();
  }
  return empty;
}

void SessionPool::resume() {
  const std::lock_guard lock(mutex_);
  draining_ = false;
  wake_first_locked();
}

void SessionPool::shut() {
  const std::lock_guard lock(mutex_);
  shut_ = true;
  for (auto& waiter : queue_) waiter.notify_one();
}

void SessionPool::close_sessions() {
  const std::lock_guard lock(mutex_);
  for (const auto& session : idle_) module_->C_CloseSession(session.handle);
  idle_.clear();
  close_parked_locked();
  if (login_session_ != CK_INVALID_HANDLE) module_->C_CloseSession(login_session_);
  login_session_ = CK_INVALID_HANDLE;
}

void SessionPool::forget_sessions() {
  const std::lock_guard lock(mutex_);
  idle_.clear();
  parked_.clear();
  sweeping_ = false;
  login_session_ = CK_INVALID_HANDLE;
}

void SessionPool::renew(CK_SLOT_ID slot, CK_SESSION_HANDLE login_session, std::size_t token_max) {
  const std::lock_guard lock(mutex_);
  slot_ = slot;
  login_session_ = login_session;
  ++generation_;
  limit_ = token_max == 0 ? sessions_max_ : std::min(sessions_max_, token_max - 1);
  shut_ = false;
}

std::uint64_t SessionPool::generation() const {
  const std::lock_guard lock(mutex_);
  return generation_;
}

CK_SLOT_ID SessionPool::slot() const {
  const std::lock_guard lock(mutex_);
  return slot_;
}

std::size_t SessionPool::limit() const {
  const std::lock_guard lock(mutex_);
  return limit_;
}

}  // namespace sigillo::hsm
