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
// again; 3. the token locks for good. What is kept is 12 bits of the PIN under a salt and the token's name,
// stretched: the wrong PIN may be the right one mistyped, or that of another token, and a short one would be
// found from a longer mark by trying. A PIN that the token takes takes the file away.
class RefusedPin {
 public:
  RefusedPin(std::string file, std::string token) : file_(std::move(file)), token_(std::move(token)) {}
  bool is(const base::Secret& pin) const;
  void remember(const base::Secret& pin) const;  // whole or not at all, 0600, on the disk when it returns
  void forget() const;

 private:
  std::uint16_t mark_of(const base::Secret& pin, base::ByteView salt) const;
  std::string file_, token_;
};

}  // namespace sigillo::appliance
