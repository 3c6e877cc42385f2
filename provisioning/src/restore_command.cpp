// sigillo restore: puts a store of before back into service, by two officers.
#include <cstdio>
#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

#include <provisioning/admin.hpp>

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;

constexpr const char* kHelp =
    "Puts a store of before back into service: from a backup's folder, from a store's file, or the one that "
    "lies under\n"
    "the store's name and is refused because it is behind what the HSM has anchored. Takes two officers, and "
    "the\n"
    "appliance stopped. Whoever was active since is locked until re-issue (recovery, a request after a "
    "revocation, a\n"
    "branch): the ledger that continues the store, up to the HSM's anchor, says who that is. Without it, or "
    "where it\n"
    "ends before the anchor, everybody is. Nothing is touched before the manifest's signature, the files, "
    "every key\n"
    "that it names and the ledger were checked, and both officers have signed what was found.";
constexpr const char* kFooter =
    "Examples:\n"
    "  sigillo restore --config /etc/sigillo/sigillo.toml --backup /srv/backup/2026-11-23 --dry-run\n"
    "  sigillo restore --config /etc/sigillo/sigillo.toml --backup /srv/backup/2026-11-23 \\\n"
    "      --ledger /srv/audit/ledger-1-000000000001-000001000000.jsonl --ledger /srv/audit/tonight.jsonl "
    "\\\n"
    "      --officer anna=/media/anna/anna.key --officer bruno=/media/bruno/bruno.key\n"
    "  sigillo restore --config /etc/sigillo/sigillo.toml --officer anna=anna.key --officer "
    "bruno=bruno.key\n\n"
    "The store's file of before is kept beside it, as STORE.replaced-1 and so on. Killed at any moment, the "
    "appliance\n"
    "refuses its store, or opens the restored one: run the same command again, or start it.\n\n"
    "Exit codes: 0 restored (with --dry-run: it could be); 1 refused or a local error, and nothing is "
    "changed; 2 the\n"
    "HSM did not serve.";

struct Arguments {
  AdminOptions admin;
  std::string backup, store;
  std::vector<std::string> ledger;
  bool dry_run = false;
};

std::string absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

json::object parameters_of(const Arguments& arguments) {
  json::object out;
  if (!arguments.backup.empty()) out["backup"] = absolute(arguments.backup);
  if (!arguments.store.empty()) out["store"] = absolute(arguments.store);
  json::array files;
  for (const auto& file : arguments.ledger) files.emplace_back(absolute(file));
  if (!files.empty()) out["ledger"] = std::move(files);
  return out;
}

std::string plan_in_words(const json::object& plan) {
  const auto text = [&plan](const char* name) { return json::value_to<std::string>(plan.at(name)); };
  std::string out = "The store ends with entry " + text("snapshot") + ".\n";
  out += text("anchor") == "none" ? std::string("The HSM has no anchor.\n")
                                  : "The HSM has anchored entry " + text("anchor") + ".\n";
  if (text("locked") == "all")
    return out + "EVERYBODY will be locked until re-issue: " + text("everybody") + '.';
  return out + "Locked until re-issue: " + text("locked") +
         ", all who were active in the ledger that was given.";
}

// What was found joins what is signed.
std::optional<json::object> signed_of(json::object parameters, const json::object& plan, bool quiet) {
  if (!quiet) std::fprintf(stderr, "%s\n", plan_in_words(plan).c_str());  // before anybody signs it
  for (const auto& [name, value] : plan) {
    if (name != "appliance" && name != "everybody") parameters[name] = value;
  }
  return parameters;
}

void run(const Arguments& arguments, Context& context) {
  if (!arguments.backup.empty() && !arguments.store.empty())
    return context.failed(Exit::local, "--backup and --store name two things to restore from.",
                          "Nothing was changed. Give one of them, or neither.");
  const auto parameters = parameters_of(arguments);
  if (arguments.dry_run) {
    auto plan = perform(arguments.admin, context,
                        {.action = "restore.look", .parameters = parameters, .closed = true});
    if (!plan) return;
    const auto words = plan_in_words(*plan) + "\nNothing was changed.";
    return context.result("sigillo.restore-plan/1", std::move(*plan), words);
  }
  AdminAsk ask{.action = "restore", .closed = true, .first = "restore.look", .first_parameters = parameters};
  ask.parameters_of = [&parameters, quiet = context.json](const json::object& plan) {
    return signed_of(parameters, plan, quiet);
  };
  auto done = perform(arguments.admin, context, std::move(ask));
  if (!done) return;
  const auto locked = json::value_to<std::string>(done->at("locked"));
  const auto words = "The store is restored and anchored, with ledger entry " +
                     json::serialize(done->at("seq")) +
                     ". Locked until re-issue: " + (locked == "all" ? "everybody" : locked) +
                     ".\nNext: start the appliance; look at `sigillo channel list` and `sigillo officer "
                     "list`: what was\nchanged there since is undone but for what the ledger said. Keep the "
                     "old store's ledger, where there is one.";
  context.result("sigillo.restore/1", std::move(*done), words);
}

}  // namespace

void add_restore(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("restore", kHelp)->footer(kFooter);
  const auto arguments = std::make_shared<Arguments>();
  add_admin_options(*command, arguments->admin, 2);
  command->add_option("--backup", arguments->backup, "folder that `sigillo backup create` has made");
  command->add_option("--store", arguments->store, "a store's file, with its WAL beside it where it has one");
  command
      ->add_option("--ledger", arguments->ledger,
                   "exports and segments that continue the store, in their order; given once for each")
      ->type_name("FILE");
  command->add_flag("--dry-run", arguments->dry_run,
                    "check everything and say what would be done; takes no officer");
  command->callback([arguments, &context] { run(*arguments, context); });
}

}  // namespace sigillo::provisioning
