// The handlers of officers' actions, one function each, grouped by file (act_*.cpp). The table
// that names them is actions.cpp. Thread rule: as ActionCall.
#pragma once

#include "action.hpp"

namespace sigillo::appliance {

// act_state: what the appliance is, and how it opens and closes.
ActionOutcome status(ActionCall& call);
ActionOutcome unseal(ActionCall& call);
ActionOutcome unseal_share(ActionCall& call);
ActionOutcome seal(ActionCall& call);

// act_policy
ActionOutcome policy_show(ActionCall& call);
ActionOutcome policy_accept(ActionCall& call);
ActionOutcome accept_unclean_stops(ActionCall& call);

// act_restore; `restore_order` is of either's parameters, nothing where they are malformed.
struct RestoreOrder;
std::optional<RestoreOrder> restore_order(const boost::json::object& parameters);
ActionOutcome restore_look(ActionCall& call);
ActionOutcome restore(ActionCall& call);

// act_subject
ActionOutcome subject_erase(ActionCall& call);

// act_officers
ActionOutcome officers_list(ActionCall& call);
ActionOutcome officers_enrol(ActionCall& call);
ActionOutcome officers_suspend(ActionCall& call);
ActionOutcome officers_resume(ActionCall& call);
ActionOutcome officers_revoke(ActionCall& call);
ActionOutcome acts_list(ActionCall& call);

// act_audit
ActionOutcome audit_prune(ActionCall& call);

// act_backup
ActionOutcome backup_create(ActionCall& call);

// act_channels
ActionOutcome channels_list(ActionCall& call);
ActionOutcome channels_enrol(ActionCall& call);
ActionOutcome channels_renew(ActionCall& call);
ActionOutcome channels_suspend(ActionCall& call);
ActionOutcome channels_resume(ActionCall& call);
ActionOutcome channels_revoke(ActionCall& call);

// act_keys, act_retire
ActionOutcome keys_list(ActionCall& call);
ActionOutcome keys_rotate(ActionCall& call);
ActionOutcome keys_retire(ActionCall& call);
// act_store_key: the half of keys_rotate that is about the store's file.
ActionOutcome rotate_store(ActionCall& call, const KeyEntry& next, const std::string& reference);

// Of the store, as it is now.
base::Result<Officers> load_officers(const Context& context);

}  // namespace sigillo::appliance
