// What `sigillo hsm check` and `sigillo hsm speed` share: how they come to an open token. Thread rule: one
// thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <appliance/config.hpp>
#include <hsm/pkcs11_token.hpp>
#include <provisioning/command.hpp>

namespace sigillo::provisioning {

struct OpenedHsm {
  appliance::Config config;
  std::unique_ptr<hsm::Token> owner;
  hsm::Pkcs11Token* token = nullptr;
};
// Nothing where it failed: the context says why.
std::optional<OpenedHsm> open_hsm(const std::string& config, Context& context);

struct SpeedRequest {
  std::string config;
  double seconds = 1;
  unsigned threads = 0;  // at most; 0: what the profile gains from
};
void hsm_speed(const SpeedRequest& request, Context& context);

}  // namespace sigillo::provisioning
