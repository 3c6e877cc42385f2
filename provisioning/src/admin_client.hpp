// Reach: the appliance of a configuration, wherever it is: behind its socket, or opened here. Thread rule:
// one thread.
#pragma once

#include <memory>
#include <variant>

#include <appliance/administration.hpp>

namespace sigillo::provisioning {

class Reach {
 public:
  virtual ~Reach() = default;
  virtual appliance::ActionOutcome ask(appliance::AdminRequest request,
                                       const appliance::Progress& progress) = 0;
};

// Of the running appliance, or, where none runs and `running_only` is not set, one that is opened here with
// the configured token PIN or the one that is typed. Never beside one that runs: it would be fenced.
std::variant<std::unique_ptr<Reach>, appliance::ActionFailure> reach(const appliance::Config& config,
                                                                     bool running_only);

}  // namespace sigillo::provisioning
