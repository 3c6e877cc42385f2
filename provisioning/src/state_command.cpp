// sigillo status, seal, unseal: how an appliance stands, and closing and opening it.
#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>

#include <provisioning/admin.hpp>
#include <provisioning/terminal.hpp>

#include "admin_client.hpp"
#include "files.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;

constexpr const char* kFooter =
    "Examples:\n"
    "  sigillo status --config /etc/sigillo/sigillo.toml\n"
    "  sigillo unseal --config /etc/sigillo/sigillo.toml          asks for the token's PIN\n"
    "  sigillo unseal --share --config /etc/sigillo/sigillo.toml  asks for one custodian's share\n"
    "  sigillo unseal --accept-unclean-stops --officer anna=anna.key --config /etc/sigillo/sigillo.toml\n"
    "  sigillo seal --config /etc/sigillo/sigillo.toml\n\n"
    "Exit codes: 0 it serves (of seal: it is sealed); 1 local error, none is running, or it runs and is not "
    "ready;\n"
    "2 it is sealed, or held for a reason that officers must accept.";

struct Arguments {
  AdminOptions admin;
  std::string pin_file;
  bool share = false, unclean_stops = false;
};

std::string channel_in_words(const json::object& channel) {
  const auto number = [&](const char* member) { return json::serialize(channel.at(member)); };
  char share[16];
  std::snprintf(share, sizeof share, "%.1f", channel.at("failure_rate").to_number<double>() * 100);
  return std::string(channel.at("channel").as_string()) + "  " + number("wrong") + " wrong of " +
         number("compared") + " (" + share + " %), delayed " + number("delayed") + ", locked " +
         number("locked");
}

std::string in_words(const json::object& status) {
  std::string out = "The appliance is " + std::string(status.at("state").as_string());
  out += status.at("ready").as_bool() ? " and ready." : ".";
  for (const auto& reason : status.at("reasons").as_array()) out += "\n  " + std::string(reason.as_string());
  if (const auto* id = status.if_contains("appliance"))
    out += "\nappliance " + std::string(id->as_string()) + ", ledger at entry " +
           json::serialize(status.at("seq")) + ", officers " + json::serialize(status.at("officers"));
  if (const auto* channels = status.if_contains("channels")) {
    for (const auto& one : channels->as_array()) out += "\n  " + channel_in_words(one.as_object());
  }
  return out;
}

Exit exit_of(const json::object& status) {
  if (status.at("state").as_string() != "open") return Exit::remote_or_sealed;
  return status.at("ready").as_bool() ? Exit::good : Exit::local;
}

void say(Context& context, const char* schema, json::object status, Exit code) {
  const auto words = in_words(status);
  context.result(schema, std::move(status), words);
  context.exit = code;
}

void run_status(const Arguments& arguments, Context& context) {
  auto status = perform(arguments.admin, context, {.action = "status", .running_only = true});
  if (!status) return;
  const Exit code = exit_of(*status);
  say(context, "sigillo.status/1", std::move(*status), code);
}

void run_seal(const Arguments& arguments, Context& context) {
  auto status = perform(arguments.admin, context, {.action = "seal", .running_only = true});
  if (status) say(context, "sigillo.seal/1", std::move(*status), Exit::good);
}

// One share, from the one custodian who is at the terminal; the next runs the command again.
void run_share(const Arguments& arguments, Context& context) {
  auto share = arguments.pin_file.empty() ? ask_secret("Your share, its four rows in one line: ")
                                          : read_secret_file(arguments.pin_file);
  if (!share)
    return context.failed(Exit::local, "The share: " + sentence(share.error()) + '.',
                          "Nothing was tried. Type it at a terminal.");
  auto status = perform(arguments.admin, context,
                        {.action = "unseal.share", .secret = std::move(*share), .running_only = true});
  if (!status) return;
  const Exit code = exit_of(*status);
  const auto words = std::string(status->at("said").as_string()) + '\n' + in_words(*status);
  context.result("sigillo.unseal-share/1", std::move(*status), words);
  context.exit = code;
}

void accept_unclean_stops(const Arguments& arguments, Context& context) {
  auto done =
      perform(arguments.admin, context, {.action = "anchor.accept-unclean-stops", .running_only = true});
  if (done)
    context.result("sigillo.accept-unclean-stops/1", std::move(*done),
                   "The unclean stops are accepted. `sigillo status` says whether it serves.");
}

void run_unseal(const Arguments& arguments, Context& context) {
  if (!configuration(arguments.admin, context)) return;
  if (arguments.unclean_stops) return accept_unclean_stops(arguments, context);
  if (arguments.share) return run_share(arguments, context);
  auto pin =
      arguments.pin_file.empty() ? ask_secret("PIN of the token: ") : read_secret_file(arguments.pin_file);
  if (!pin)
    return context.failed(Exit::local, "The token's PIN: " + sentence(pin.error()) + '.',
                          "It was not tried. Type it at a terminal, or give --pin-file.");
  // A share that is tried as a PIN costs the token one of its tries.
  if (pin->size() > kTypedPinMax)
    return context.failed(Exit::local, "That is longer than a PIN of a token.",
                          "It was not tried. An authorisation share is given to `sigillo unseal --share`.");
  auto status = perform(arguments.admin, context,
                        {.action = "unseal", .secret = std::move(*pin), .running_only = true});
  if (!status) return;
  const Exit code = exit_of(*status);
  say(context, "sigillo.unseal/1", std::move(*status), code);
}

using Run = void (*)(const Arguments&, Context&);

std::pair<CLI::App*, std::shared_ptr<Arguments>> add(CLI::App& app, Context& context, const char* name,
                                                     const char* help, Run run, unsigned officers = 0) {
  auto* command = app.add_subcommand(name, help)->footer(kFooter);
  auto arguments = std::make_shared<Arguments>();
  add_admin_options(*command, arguments->admin, officers);
  command->callback([arguments, &context, run] { run(*arguments, context); });
  return {command, arguments};
}

}  // namespace

void add_state(CLI::App& app, Context& context) {
  add(app, context, "status", "Says how the running appliance stands.", run_status);
  add(app, context, "seal", "Closes the running appliance at once: no key, no store, no answer but `sealed`.",
      run_seal);
  const auto [command, arguments] = add(app, context, "unseal",
                                        "Opens a sealed appliance: with the token's PIN, which is tried "
                                        "once, or with custodians' shares, one a "
                                        "time.",
                                        run_unseal, 1);
  command->add_option("--pin-file", arguments->pin_file,
                      "the PIN, or with --share the share; else it is asked for");
  auto* const share = command->add_flag("--share", arguments->share, "give one custodian's share");
  command
      ->add_flag("--accept-unclean-stops", arguments->unclean_stops,
                 "let one serve that is held for too many unclean stops; takes one officer")
      ->excludes(share);
}

}  // namespace sigillo::provisioning
