#include "hsm_canary.hpp"

#include <base/log.hpp>

namespace sigillo::appliance {
namespace {

// No message of a subject, a contact, a PIN or a receipt begins so.
constexpr std::string_view kMessage = "sigillo/canary/v1";

}  // namespace

void HsmCanary::look() {
  if (token_.state() != hsm::TokenState::up) return;
  const bool ill = !context_.dispatcher.healthy();
  const auto now = std::chrono::steady_clock::now();
  if (!ill && now < next_) return;
  next_ = now + interval_;
  const auto keys = context_.keys();
  // A call that fails is judged by the dispatcher: a full queue is no illness.
  if (macs_hold(*keys) && ill && others_work(*keys)) context_.dispatcher.set_healthy(true);
}

bool HsmCanary::macs_hold(const Keys& keys) {
  if (!mac_holds(keys.index, "index")) return false;
  for (const auto& [version, key] : keys.verifiers)
    if (!mac_holds(key, "verifier-v" + std::to_string(version))) return false;
  lies_ = false;
  return true;
}

// 1. the device fails over to a member whose key of that name is another, or its memory is at fault; 2. every
// right PIN is wrong there and is charged; 3. citizens are locked by the thousand, until somebody is told.
bool HsmCanary::mac_holds(hsm::KeyRef key, const std::string& name) {
  const auto mac = base::sync_wait(context_.dispatcher.hmac(key, base::Secret(base::view(kMessage))));
  if (!mac) return false;
  const auto [first, fresh] = first_.try_emplace(key.slot(), *mac);
  if (fresh || first->second == *mac) return true;
  context_.dispatcher.set_healthy(false);
  if (!std::exchange(lies_, true)) base::log::error("hsm-mac-differs", {{"key", name}});
  return false;
}

bool HsmCanary::others_work(const Keys& keys) const {
  auto& dispatcher = context_.dispatcher;
  const auto digest = base::sha256({base::view(kMessage)});
  return base::sync_wait(dispatcher.random(8)) && base::sync_wait(dispatcher.sign(keys.receipt, digest)) &&
         base::sync_wait(dispatcher.sign(keys.ledger, digest));
}

}  // namespace sigillo::appliance
