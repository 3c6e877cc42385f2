// What a ceremony asks of the machine before it makes anything. Thread rule: one thread; the module is loaded
// and left.
#pragma once

#include <vector>

#include "ceremony_machine.hpp"

namespace sigillo::provisioning {

std::vector<Finding> check_machine(const CeremonyPlan& plan, bool begun);

}  // namespace sigillo::provisioning
