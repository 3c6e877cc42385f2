#include <appliance/host.hpp>

#include <base/log.hpp>

#include "certificates.hpp"
#include "parts.hpp"

namespace sigillo::appliance {
namespace {

// Beyond its deadline by so much, a call is taken for one that never comes back.
constexpr int kDeadlines = 12;

// A reason that readiness and `sigillo status` say for an error at unsealing.
std::string_view reason_of(const base::Error& error) {
  if (error.is(hsm::Errc::credential)) return "token-pin-refused";
  if (error.number() / 100 == 2) return "hsm-unavailable";
  if (error.number() / 100 == 3) return "store-refused";
  return "not-opened";
}

}  // namespace

std::string_view name(Standing standing) {
  switch (standing) {
    case Standing::sealed:
      return "sealed";
    case Standing::held:
      return "held";
    case Standing::open:
      return "open";
  }
  std::abort();
}

Host::Host(const Config& config, const base::Clock& clock) : config_(config), clock_(clock) {}

Host::~Host() {
  end();
}

void Host::end() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = std::chrono::steady_clock::now();  // whoever works for an officer sees it, and ends
  }
  const std::lock_guard changing(changing_);
  ended_ = true;
  close("stopping", false);
}

Host::Lease::~Lease() {
  if (host_ == nullptr) return;
  const std::lock_guard lock(host_->mutex_);
  if (--host_->leases_ == 0) host_->left_.notify_all();
}

Assembly& Host::Lease::assembly() const {
  return *host_->assembly_;
}

std::optional<Host::Lease> Host::enter(Standing at_least) const {
  const std::lock_guard lock(mutex_);
  if (closing_ || !assembly_ || standing_ < at_least) return std::nullopt;
  ++leases_;
  return Lease(*this);
}

base::Task<Reply> Host::execute(Call call) {
  const auto lease = enter(Standing::open);
  if (!lease) co_return Outage::sealed;
  co_return co_await lease->assembly().service().execute(std::move(call));
}

ChannelPtr Host::channel(Role role, const std::string& name, const base::Digest& certificate_key) const {
  const auto lease = enter(Standing::open);
  return lease ? lease->assembly().service().channel(role, name, certificate_key) : nullptr;
}

std::vector<Reading> Host::readings() const {
  if (const auto lease = enter(Standing::open)) return lease->assembly().service().readings();
  return {};
}

Readiness Host::readiness() const {
  if (const auto lease = enter(Standing::open)) return lease->assembly().service().readiness();
  Readiness out;
  out.reasons.emplace_back("sealed");
  for (auto& reason : reasons()) out.reasons.push_back(std::move(reason));
  return out;
}

base::Task<std::optional<std::string>> Host::checkpoint() {
  const auto lease = enter(Standing::open);
  if (!lease) co_return std::nullopt;
  co_return co_await lease->assembly().service().checkpoint();
}

Standing Host::standing() const {
  const std::lock_guard lock(mutex_);
  return standing_;
}

std::vector<std::string> Host::reasons() const {
  const std::lock_guard lock(mutex_);
  return reasons_;
}

bool Host::hangs() const {
  {
    const std::lock_guard lock(mutex_);
    // Attack, or a bad day: (1) calls in the HSM hang, (2) an officer seals. Who seals waits for them, and
    // nobody could be asked whether they hang.
    if (closing_)
      return std::chrono::steady_clock::now() - *closing_ > std::chrono::milliseconds(patience().ms);
  }
  const auto lease = enter(Standing::held);
  if (!lease) return false;
  const auto& parts = lease->assembly().parts();
  const auto load = parts.dispatcher->load();
  return load.stuck >= load.workers || parts.timed_anchor->abandoned_for() > patience() ||
         parts.token->blocked_for() > patience();
}

base::Duration Host::patience() const {
  return {config_.hsm.deadline.ms * kDeadlines};
}

bool Host::closing() const {
  const std::lock_guard lock(mutex_);
  return closing_.has_value();
}

void Host::note(std::string_view why) {
  const std::lock_guard lock(mutex_);
  if (standing_ == Standing::sealed) reasons_ = {std::string(why)};
}

base::Result<void> Host::unseal(const base::Secret& pin, std::string_view how) {
  const std::lock_guard changing(changing_);
  if (ended_ || standing() != Standing::sealed)
    return base::Error(Errc::standing, "the appliance is not sealed");
  auto opened = Assembly::open(config_, pin, clock_);
  if (!opened) {
    note(reason_of(opened.error()));
    base::log::error("unseal-failed", opened.error());
    return opened.error();
  }
  auto& parts = (*opened)->parts();
  auto event = own_event(EventKind::unsealed, parts.context().now());
  event.reference = how;
  const auto noted = base::sync_wait(parts.store->commit({.events = {std::move(event)}}));
  if (!noted) {
    note(reason_of(noted.error()));
    return hsm_or_store(noted.error());
  }
  const auto holds = parts.holds;
  {
    const std::lock_guard lock(mutex_);
    assembly_ = std::move(*opened);
    standing_ = Standing::held;
    reasons_ = holds;
  }
  for (const auto& hold : holds) base::log::warn("held", {{"reason", hold}});
  if (holds.empty()) return open_doors();
  return base::ok();
}

// The old door is shut only once the new key is in use: a handshake under way ends with the key that it began
// with, or is begun again.
base::Result<void> Host::show_key() {
  auto& parts = assembly_->parts();
  SIGILLO_TRY(const auto version,
              tls_version_in_file(*parts.token, parts.registered, parts.config.server.certificate));
  SIGILLO_TRY(const auto key, parts.token->find_key({KeyLabels::tls, version}));
  auto door = std::make_shared<hsm::KeyDoor>(*parts.token, key);
  SIGILLO_TRY(const auto evp, hsm::evp_key(door, hsm::KeyType::ec_p256));
  if (doors_.opened) SIGILLO_CHECK(doors_.opened(evp.get()));
  tls_doors_.push_back(std::move(door));
  return base::ok();
}

base::Result<void> Host::renew_doors() {
  if (!doors_.opened) return base::ok();  // a command's own process: nothing stands in front
  return show_key();
}

// With changing_ taken, while held.
base::Result<void> Host::open_doors() {
  const auto ready = show_key();
  if (!ready) {
    base::log::error("not-opened", ready.error());
    close("not-opened", true);
    return ready;
  }
  {
    const std::lock_guard lock(mutex_);
    standing_ = Standing::open;
    reasons_.clear();
  }
  // Only now: who hears that it serves asks at once, and would be told that it is sealed.
  doors_.serving();
  return base::ok();
}

base::Result<void> Host::release(std::string_view hold) {
  const std::lock_guard changing(changing_);
  bool last = false;
  {
    const std::lock_guard lock(mutex_);
    if (standing_ != Standing::held || std::erase(reasons_, hold) == 0)
      return base::Error(Errc::standing, "the appliance is not held for that reason");
    last = reasons_.empty();
  }
  return last ? open_doors() : base::ok();
}

void Host::seal(std::string_view why) {
  const std::lock_guard changing(changing_);
  close(why, true);
}

// With changing_ taken. Nobody new comes in; those inside end by their own deadlines.
void Host::close(std::string_view why, bool sealing) {
  {
    std::unique_lock lock(mutex_);
    if (!assembly_) return;
    closing_ = std::chrono::steady_clock::now();
    standing_ = Standing::sealed;
    reasons_ = {std::string(why)};
    left_.wait(lock, [this] { return leases_ == 0; });
  }
  if (doors_.closing) doors_.closing();
  for (const auto& door : tls_doors_) door->shut();
  tls_doors_.clear();
  if (sealing) {
    auto& parts = assembly_->parts();
    auto event = own_event(EventKind::sealed, parts.context().now());
    event.reference = why;
    const auto noted = base::sync_wait(parts.store->commit({.events = {std::move(event)}}));
    if (!noted) base::log::error("seal-not-noted", noted.error());
    base::log::warn("sealed", {{"reason", why}});
  }
  auto going = std::move(assembly_);
  going.reset();  // the store closes, the derived keys are wiped, the token logs out
  const std::lock_guard lock(mutex_);
  closing_.reset();
}

}  // namespace sigillo::appliance
