// How an officers' command asks something of an appliance: through the socket of the one that runs, else by
// opening it in this process; either way by the same Administration. Where the action takes officers, they
// sign here, with keys that do not leave this process, or in a file that goes from one to the other. Thread
// rule: one thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include <appliance/administration.hpp>
#include <provisioning/command.hpp>

namespace sigillo::provisioning {

struct AdminOptions {
  std::string config;
  std::vector<std::string> officers;  // NAME=KEYFILE, or NAME=pkcs11:... for a key in a token
  std::vector<std::string>
      password_files;    // of the keys in files, in their order; fewer: the rest is asked for
  std::string module;    // of the tokens whose URI names none
  std::string act_file;  // sign by turns: written where it is not there, used where it is
};
// --config; and where the action takes officers --officer, --password-file, --module, --act.
void add_admin_options(CLI::App& command, AdminOptions& options, unsigned officers);
void add_signing_options(CLI::App& command, AdminOptions& options,
                         bool required);  // without --config and --act

// The appliance's configuration; nothing where it is refused, said by then. For what is asked of a person
// before perform(): nobody types a PIN for a file that is not there.
std::optional<appliance::Config> configuration(const AdminOptions& options, Context& context);

struct AdminAsk {
  std::string action;
  boost::json::object parameters = {};
  base::Secret secret = {};
  bool running_only = false;  // status, unseal: of no use to an appliance that this process opens
  // Of an appliance whose store none opens: one that runs is refused, and the action is given the token PIN
  // as its secret, to do what it does itself. `first` says which appliance it is.
  bool closed = false;
  // An action without officers that is asked first, for what `parameters_of` makes of it.
  std::string first = {};
  boost::json::object first_parameters = {};
  // Makes the parameters once the officers' keys are open (files, say, that are not to be left where they are
  // not). Given what `first` said. Nothing where it failed, which it has said by then.
  std::function<std::optional<boost::json::object>(const boost::json::object& said)> parameters_of = {};
};
// Keys, passwords, PINs and the act's file are read before the appliance is asked, and above all before it is
// opened: a path that is mistyped leaves no trace in ledger and token. Nothing where it failed, or where the
// act was only written to its file: said by then, exit code set.
std::optional<boost::json::object> perform(const AdminOptions& options, Context& context, AdminAsk ask);

}  // namespace sigillo::provisioning
