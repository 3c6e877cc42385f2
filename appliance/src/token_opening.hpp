// What stands between the configuration and an open token: the module's profile, the token PIN and whether it
// may be tried at all, and what a production appliance refuses. Thread rule: one thread.
#pragma once

#include <memory>

#include <appliance/config.hpp>
#include <base/result.hpp>
#include <base/secret.hpp>
#include <hsm/dispatcher.hpp>
#include <hsm/profile.hpp>

namespace sigillo::appliance {

// The one that hsm.profile names, else the one that the module's file is known by.
const hsm::ModuleProfile& profile_of(const HsmConfig& config);
hsm::TokenOptions token_options(const HsmConfig& config);
hsm::DispatcherOptions dispatcher_options(const HsmConfig& config, const hsm::Token& token);

// A token PIN that was refused is remembered in a file beside the store, so that no restart tries it again:
// 1. the credential file holds yesterday's PIN; 2. the service fails, and its supervisor starts it again, and
// again; 3. the token locks for good. What is kept is salted and slow (PBKDF2), of a PIN that opens nothing.
class RefusedPin {
 public:
  explicit RefusedPin(std::string file) : file_(std::move(file)) {}
  bool is(const base::Secret& pin) const;
  void remember(const base::Secret& pin) const;
  void forget() const;

 private:
  std::string file_;
};

}  // namespace sigillo::appliance
