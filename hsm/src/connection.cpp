#include "connection.hpp"

#include <algorithm>
#include <array>
#include <random>

#include <base/log.hpp>

namespace sigillo::hsm {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kReloadFirst{2'000};
constexpr milliseconds kReloadMax{30'000};
constexpr milliseconds kBackoffFirst{500};
constexpr milliseconds kBackoffMax{5'000};

// Several appliances on one network HSM must not all come back in the same instant.
milliseconds jittered(milliseconds backoff) {
  static thread_local std::minstd_rand random(std::random_device{}());
  return backoff * std::uniform_int_distribution<int>(75, 125)(random) / 100;
}

}  // namespace

Connection::Connection(const TokenOptions& options, std::unique_ptr<Module> module, base::Secret pin)
    : options_(options),
      module_(std::move(module)),
      pin_(std::move(pin)),
      pool_(*module_, options.sessions_max, options.session_wait) {}

base::Result<std::unique_ptr<Connection>> Connection::open(const TokenOptions& options,
                                                           const base::Secret& pin) {
  SIGILLO_TRY(auto module, Module::load(options.module));
  SIGILLO_CHECK(module->initialize(options.init_arguments));
  std::unique_ptr<Connection> connection(new Connection(options, std::move(module), pin.clone()));
  SIGILLO_CHECK(connection->connect());
  connection->state_ = TokenState::up;
  connection->watcher_ = std::thread([raw = connection.get()] { raw->watch(); });
  return connection;
}

Connection::~Connection() {
  {
    const std::lock_guard lock(watch_mutex_);
    stop_ = true;
  }
  watch_wake_.notify_all();
  if (watcher_.joinable()) watcher_.join();
  pool_.shut();
  while (!pool_.drain(base::seconds(1))) {
  }
  pool_.close_sessions();
}

// What has the pool drained may close sessions under its lock, so that is not asked for meanwhile.
base::Duration Connection::blocked_for() const {
  const Time since = bringing_back_;
  if (since == Time{}) return pool_.blocked_for();
  return {std::chrono::duration_cast<milliseconds>(steady_clock::now() - since).count()};
}

base::Result<void> Connection::admit() const {
  switch (state_.load(std::memory_order_acquire)) {
    case TokenState::up:
      return base::ok();
    case TokenState::away:
      return base::Error(Errc::unavailable, "the device is away");
    case TokenState::refused:
      return base::Error(Errc::credential, "the token refused its PIN: an operator is needed");
  }
  return base::Error(Errc::unavailable, "a state outside the enum");
}

bool Connection::recover(const Trouble& trouble, std::uint64_t generation) {
  switch (trouble.meaning) {
    case RvClass::ok:
    case RvClass::caller_fault:
    case RvClass::busy:
    case RvClass::credential:
      return false;
    case RvClass::stale_handle:
    case RvClass::session_lost:
      return static_cast<bool>(reopen(trouble, generation));
    case RvClass::suspect:
      ask_canary(generation);
      return false;
    case RvClass::device_lost: {
      const std::lock_guard lock(recovery_);
      if (generation == pool_.generation()) go_down("a call found the device gone", trouble.rv, trouble);
      return false;
    }
  }
  return false;
}

// The first step of recovery: sessions and login anew, the module as it is.
base::Result<void> Connection::reopen(const Trouble& trouble, std::uint64_t generation) {
  const std::lock_guard lock(recovery_);
  SIGILLO_CHECK(admit());
  if (generation != pool_.generation()) return base::ok();  // another caller has done it
  if (!pool_.drain(options_.session_wait)) {
    go_down("a call does not come back", 0, trouble);
    return base::Error(Errc::unavailable, "a call does not come back");
  }
  const auto done = bring_back([this] { return connect(); });
  if (done) {
    base::log::info("hsm-login-anew", {{"raw", trouble.rv},
                                       {"session_age_ms", trouble.session_age.count()},
                                       {"session_idle_ms", trouble.session_idle.count()}});
  } else if (!done.error().is(Errc::credential)) {
    go_down("opening and logging in again failed", done.error().raw(), trouble);
  }
  pool_.resume();
  return done;
}

base::Result<void> Connection::restart(const std::function<void()>& between) {
  const std::lock_guard lock(recovery_);
  SIGILLO_CHECK(admit());
  if (!pool_.drain(options_.session_wait)) return base::Error(Errc::unavailable, "a call does not come back");
  bool anew = false;
  const auto done = bring_back([&]() -> base::Result<void> {
    pool_.close_sessions();
    module_->finalize();
    SIGILLO_CHECK(module_->initialize(options_.init_arguments));
    anew = module_->begun_by_us();
    if (anew) between();
    return connect();
  });
  if (!done && !done.error().is(Errc::credential))
    go_down("loading the module anew failed", done.error().raw(), {});
  pool_.resume();
  if (done && !anew) return base::Error(Errc::unavailable, "the module did not end: it is not loaded anew");
  return done;
}

// GENERAL_ERROR and its kin blame nobody: a bad record gives it as well as a dead device (SoftHSM2 on
// tampered GCM). One call that must succeed tells them apart, so that a bad request cannot switch the
// appliance off.
void Connection::ask_canary(std::uint64_t generation) {
  auto lease = pool_.borrow();
  if (!lease) return;
  CK_RV rv = lease->trouble().rv;
  if (rv == CKR_OK) {
    std::array<base::Byte, 8> sample{};
    rv = (*module_)->C_GenerateRandom(lease->session(), sample.data(), sample.size());
    (void)lease->check(Function::random, rv);
  }
  const Trouble trouble = lease->trouble();
  lease->give_back();
  if (trouble.meaning == RvClass::ok || trouble.meaning == RvClass::busy) return;
  if (trouble.meaning == RvClass::session_lost) {
    (void)reopen(trouble, generation);
    return;
  }
  const std::lock_guard lock(recovery_);
  if (generation == pool_.generation()) go_down("the canary failed after a suspect call", rv, trouble);
}

base::Result<void> Connection::connect() {
  pool_.close_sessions();  // with the last of them the login and the session objects go: nothing old is left
                           // behind
  SIGILLO_TRY(const CK_SLOT_ID slot, module_->find_slot(options_.token_label, options_.token_serial));
  CK_TOKEN_INFO token{};
  if (const CK_RV rv = (*module_)->C_GetTokenInfo(slot, &token); rv != CKR_OK) {
    return to_error(Function::token_info, rv);
  }
  const bool unbounded = token.ulMaxRwSessionCount == CK_EFFECTIVELY_INFINITE ||
                         token.ulMaxRwSessionCount == CK_UNAVAILABLE_INFORMATION;
  const std::size_t token_max = unbounded ? 0 : token.ulMaxRwSessionCount;
  if (token_max == 1)
    return base::Error(Errc::caller_fault, "a token of one session: two are needed at least");
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  const CK_RV rv =
      (*module_)->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session);
  if (rv != CKR_OK) return to_error(Function::open_session, rv);
  if (auto logged_in = log_in(token, session); !logged_in) {
    (*module_)->C_CloseSession(session);
    return logged_in;
  }
  pool_.renew(slot, session, token_max);
  return base::ok();
}

// A token locks its PIN after a few wrong ones, for good. So:
// 1. an old PIN is left in a credential file; 2. the service starts, fails, and is started again; 3. the
// token is locked. One refusal is therefore final here, and where the token says that the next one locks it,
// none is tried.
base::Result<void> Connection::log_in(const CK_TOKEN_INFO& token, CK_SESSION_HANDLE session) {
  if (pin_.empty()) return base::Error(Errc::credential, "no PIN, or one that was refused");
  if ((token.flags & (CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED)) != 0) {
    refuse();
    return base::Error(Errc::credential, "the token's PIN is locked, or would be by one more wrong try",
                       token.flags);
  }
  const auto pin = pin_.expose();
  const CK_RV rv = (*module_)->C_Login(session, CKU_USER, const_cast<unsigned char*>(pin.data()),
                                       static_cast<CK_ULONG>(pin.size()));
  const RvClass meaning = classify(Function::login, rv);
  if (meaning == RvClass::credential) {
    if (options_.pin_refused && is_wrong_pin(rv)) options_.pin_refused(pin_);
    refuse();
  }
  if (meaning != RvClass::ok) return to_error(Function::login, rv);
  CK_SESSION_INFO info{};
  if (const CK_RV got = (*module_)->C_GetSessionInfo(session, &info); got != CKR_OK) {
    return to_error(Function::session_info, got);
  }
  if (info.state != CKS_RW_USER_FUNCTIONS)
    return base::Error(Errc::unavailable, "logged in, yet not the user");
  return base::ok();
}

void Connection::go_down(const char* why, unsigned long raw, const Trouble& trouble) {
  TokenState expected = TokenState::up;
  if (!state_.compare_exchange_strong(expected, TokenState::away)) return;
  pool_.shut();
  base::log::warn("hsm-down", {{"why", why},
                               {"raw", raw},
                               {"session_age_ms", trouble.session_age.count()},
                               {"session_idle_ms", trouble.session_idle.count()}});
  const std::lock_guard lock(watch_mutex_);
  watch_wake_.notify_all();
}

void Connection::refuse() {
  state_ = TokenState::refused;
  pool_.shut();
  pin_.wipe();
  base::log::warn("hsm-pin-refused", {{"token", token_name()}});
}

void Connection::watch() {
  milliseconds backoff = kBackoffFirst;
  std::unique_lock lock(watch_mutex_);
  while (!stop_) {
    const TokenState before = state_;
    const auto pause = before == TokenState::away ? jittered(backoff) : milliseconds(options_.canary.ms);
    watch_wake_.wait_for(lock, pause, [&] { return stop_ || state_ != before; });
    if (stop_) return;
    lock.unlock();
    if (state_ == TokenState::away) {
      const bool first = before != TokenState::away;
      backoff = first ? kBackoffFirst : std::min(backoff * 2, kBackoffMax);
      if (revive()) backoff = kBackoffFirst;
    } else if (state_ == TokenState::up) {
      (void)call(Retry::idempotent, [](Lease& lease) {
        std::array<base::Byte, 8> sample{};
        return lease.check(Function::random,
                           lease.module()->C_GenerateRandom(lease.session(), sample.data(), 8));
      });
    }
    lock.lock();
  }
}

// Both steps, by the watcher alone while callers are kept out by the flag.
bool Connection::revive() {
  const std::lock_guard lock(recovery_);
  if (!pool_.drain(base::seconds(1)))
    return false;  // a call hangs inside: C_Finalize beneath it would be undefined
  const auto done = bring_back([this] {
    auto connected = connect();
    const bool reloads = !connected && !connected.error().is(Errc::credential);
    return reloads && steady_clock::now() >= next_reload_ ? reload() : connected;
  });
  if (done) {
    reload_pause_ = {};
    state_ = TokenState::up;
    base::log::info("hsm-up", {{"token", token_name()}});
  }
  pool_.resume();
  return static_cast<bool>(done);
}

// One that helped is the last for a while; one that did not is tried ever more rarely: a vendor's library
// starts threads and reads its configuration at each C_Initialize, and its device may be away for a night.
base::Result<void> Connection::reload() {
  pool_.forget_sessions();
  module_->finalize();
  auto done = module_->initialize(options_.init_arguments);
  if (done) done = connect();
  reload_pause_ = done ? kReloadMax : std::clamp(reload_pause_ * 2, kReloadFirst, kReloadMax);
  next_reload_ = steady_clock::now() + reload_pause_;
  if (done) base::log::warn("hsm-reloaded");
  return done;
}

}  // namespace sigillo::hsm
