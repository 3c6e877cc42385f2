// Signing an act at a command: whose key, from which file, with which password; and the act's file, which
// goes from one officer to the next. Thread rule: one thread.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <appliance/act.hpp>
#include <appliance/administration.hpp>
#include <provisioning/admin.hpp>
#include <provisioning/officer_key.hpp>

namespace sigillo::provisioning {

// Adds the signature of every officer of the options, each key opened with its password file or the password
// that is typed. Nothing is added where one of them fails.
std::optional<appliance::ActionFailure> sign_by(const AdminOptions& options, appliance::SignedAct& act);

std::variant<appliance::SignedAct, appliance::ActionFailure> read_act_file(const std::string& file);
std::optional<appliance::ActionFailure> write_act_file(const std::string& file,
                                                       const appliance::SignedAct& act);
// What an officer reads before he signs, one line a member.
std::string act_in_words(const appliance::Act& act);

}  // namespace sigillo::provisioning
