#include "actions.hpp"

#include <algorithm>

namespace sigillo::appliance {
namespace {

// Everything that an officer can ask, as data. Two officers for what touches keys, policy floors, restore,
// erasure or officers; one for what stops nobody's guesses; none for what only looks, copies
// what stays sealed, or closes.
constexpr OfficerAction kActions[] = {
    {"status", 0, Needs::nothing, status},
    {"unseal", 0, Needs::nothing, unseal},
    {"unseal.share", 0, Needs::nothing, unseal_share},
    {"seal", 0, Needs::nothing, seal},

    {"restore.look", 0, Needs::candidate, restore_look},
    {"restore", 2, Needs::candidate, restore},

    {"policy.show", 0, Needs::held, policy_show},
    {"policy.accept", 2, Needs::held, policy_accept},
    {"anchor.accept-unclean-stops", 1, Needs::held, accept_unclean_stops},
    {"subject.erase", 2, Needs::held, subject_erase},

    {"officers.list", 0, Needs::held, officers_list},
    {"officers.enrol", 2, Needs::held, officers_enrol},
    {"officers.suspend", 2, Needs::held, officers_suspend},
    {"officers.resume", 2, Needs::held, officers_resume},
    {"officers.revoke", 2, Needs::held, officers_revoke},
    {"acts.list", 0, Needs::held, acts_list},

    {"audit.prune", 2, Needs::open, audit_prune},

    {"backup.create", 0, Needs::held, backup_create},  // a timer makes it, and it shows nobody anything

    {"channels.list", 0, Needs::held, channels_list},
    {"channels.enrol", 2, Needs::held, channels_enrol},
    {"channels.renew", 2, Needs::held, channels_renew},
    {"channels.suspend", 1, Needs::held, channels_suspend},  // in a hurry, and undone by two
    {"channels.resume", 2, Needs::held, channels_resume},
    {"channels.revoke", 2, Needs::held, channels_revoke},

    {"keys.list", 0, Needs::held, keys_list},
    {"keys.rotate", 2, Needs::open, keys_rotate},
    {"keys.retire", 2, Needs::open, keys_retire},
};

}  // namespace

std::span<const OfficerAction> actions() {
  return kActions;
}

const OfficerAction* find_action(std::string_view name) {
  const auto* const found = std::ranges::find(kActions, name, &OfficerAction::name);
  return found == std::end(kActions) ? nullptr : found;
}

std::optional<unsigned> officers_needed(std::string_view action) {
  const auto* const found = find_action(action);
  return found == nullptr ? std::nullopt : std::optional(found->officers);
}

}  // namespace sigillo::appliance
