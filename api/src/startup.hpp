// Startup: how a server's appliance is unsealed without a person: by a credential of the service manager, or
// by the configured file, once. What comes of it decides whether the process waits for an officer, tries
// again (an HSM that is not there yet), or ends. Thread rule: main thread.
#pragma once

#include <optional>

#include <appliance/host.hpp>

namespace sigillo::api {

enum class Unsealed : std::uint8_t {
  done,        // open, or held
  for_person,  // no PIN, or one that was refused: an officer is needed, and nothing is tried again
  later,       // the HSM is away: come again
};
// An error ends the process: a store that is refused, a module that is none, a certificate of another key.
base::Result<Unsealed> unseal_alone(appliance::Host& host, const appliance::Config& config);

}  // namespace sigillo::api
