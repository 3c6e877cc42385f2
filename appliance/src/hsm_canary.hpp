// HsmCanary: calls of the appliance's own that the HSM must answer right, so that readiness does not rest on
// the last caller's luck. On a timer a MAC of a fixed message by each key that PINs are found and compared
// by; once any call has failed, at each look, and then with everything else that calls need, for only that
// makes the appliance ready again. A MAC that is not the one it was is a device that lies. Thread rule: one
// thread, the housekeeping's. Never: a call to a token that is away.
#pragma once

#include <chrono>
#include <map>

#include "context.hpp"

namespace sigillo::appliance {

class HsmCanary {
 public:
  HsmCanary(const Context& context, const hsm::Token& token, base::Duration interval)
      : context_(context), token_(token), interval_(interval.ms) {}
  void look();  // blocks for as long as its calls take, each no longer than the HSM's deadline

 private:
  bool macs_hold(const Keys& keys);
  bool mac_holds(hsm::KeyRef key, const std::string& name);
  bool others_work(const Keys& keys) const;

  const Context& context_;
  const hsm::Token& token_;
  const std::chrono::milliseconds interval_;
  std::chrono::steady_clock::time_point next_{};
  std::map<std::uint32_t, base::Digest> first_;  // of this opening, by the key's slot
  bool lies_ = false;                            // and the log has said so
};

}  // namespace sigillo::appliance
