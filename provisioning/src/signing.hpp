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

#include "officer_signer.hpp"

namespace sigillo::provisioning {

// An officer of the command line, whose key is open.
struct NamedSigner {
  std::string name;
  std::unique_ptr<OfficerSigner> key;
};
using Signers = std::vector<NamedSigner>;
// The keys of all officers of the options: files, each with its password file or the password that is typed,
// and tokens, each with its PIN. Before the appliance is asked or opened: what is wrong with them is found
// while nothing has happened.
std::variant<Signers, appliance::ActionFailure> open_signers(const AdminOptions& options);

// Adds the signature of each. Nothing is added where one of them fails.
std::optional<appliance::ActionFailure> sign_by(const Signers& signers, appliance::SignedAct& act);

std::variant<appliance::SignedAct, appliance::ActionFailure> read_act_file(const std::string& file);
std::optional<appliance::ActionFailure> write_act_file(const std::string& file,
                                                       const appliance::SignedAct& act);
// What an officer reads before he signs, one line a member.
std::string act_in_words(const appliance::Act& act);

}  // namespace sigillo::provisioning
