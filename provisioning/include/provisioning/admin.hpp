// How an officers' command asks something of an appliance: through the socket of the one that runs, else by
// opening it in this process; either way by the same Administration. Where the action takes officers, they
// sign here, with keys that do not leave this process, or in a file that goes from one to the other. Thread
// rule: one thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include <appliance/administration.hpp>
#include <provisioning/command.hpp>

namespace sigillo::provisioning {

struct AdminOptions {
  std::string config;
  std::vector<std::string> officers;        // NAME=KEYFILE
  std::vector<std::string> password_files;  // in the same order; fewer: the rest is asked for
  std::string act_file;                     // sign by turns: written where it is not there, used where it is
};
// --config; and where the action takes officers --officer, --password-file, --act.
void add_admin_options(CLI::App& command, AdminOptions& options, unsigned officers);

struct AdminAsk {
  std::string action;
  boost::json::object parameters = {};
  base::Secret secret = {};
  bool running_only = false;  // status, unseal: of no use to an appliance that this process opens
};
// Nothing where it failed, or where the act was only written to its file: said by then, exit code set.
std::optional<boost::json::object> perform(const AdminOptions& options, Context& context, AdminAsk ask);

}  // namespace sigillo::provisioning
