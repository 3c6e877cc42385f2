// Reach: the appliance of a configuration, wherever it is: behind its socket, or opened here. Thread rule:
// one thread.
#pragma once

#include <memory>
#include <variant>

#include <appliance/administration.hpp>
#include <hsm/token.hpp>

namespace sigillo::provisioning {

class Reach {
 public:
  virtual ~Reach() = default;
  virtual appliance::ActionOutcome ask(appliance::AdminRequest request,
                                       const appliance::Progress& progress) = 0;
};

// anywhere: of the running appliance, or, where none runs, one that is opened here with the configured token
// PIN or the one that is typed. Never beside one that runs: it would be fenced. stopped: one that none runs
// of, and that is not opened: the action does that.
enum class Wanted : std::uint8_t { anywhere, running, stopped };
std::variant<std::unique_ptr<Reach>, appliance::ActionFailure> reach(const appliance::Config& config,
                                                                     Wanted wanted);
// By its label, or by its serial number where that alone is configured.
const std::string& token_name(const appliance::HsmConfig& config);
inline constexpr std::size_t kTypedPinMax = 40;  // a ceremony's has 32 characters; what is longer is a share
// From the configured file; or typed, by who knows it or by custodians, as authorisation shares.
base::Result<base::Secret> token_pin(const appliance::Config& config);
base::Result<std::unique_ptr<hsm::Token>> open_with_pin(const appliance::Config& config);

}  // namespace sigillo::provisioning
