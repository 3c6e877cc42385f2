// The handlers of officers' actions, one function each, grouped by file: act_officers, act_state. The table
// that names them is actions.cpp. Thread rule: as ActionCall.
#pragma once

#include "action.hpp"

namespace sigillo::appliance {

// act_state: what the appliance is, and how it opens and closes.
ActionOutcome status(ActionCall& call);
ActionOutcome unseal(ActionCall& call);
ActionOutcome seal(ActionCall& call);

// act_officers
ActionOutcome officers_list(ActionCall& call);
ActionOutcome officers_enrol(ActionCall& call);
ActionOutcome officers_suspend(ActionCall& call);
ActionOutcome officers_resume(ActionCall& call);
ActionOutcome officers_revoke(ActionCall& call);
ActionOutcome acts_list(ActionCall& call);

// Of the store, as it is now.
base::Result<Officers> load_officers(const Context& context);

}  // namespace sigillo::appliance
