// sigillo: the officers' commands. This file composes; each command is a file of its own.
#include <cstdio>

#include <sys/resource.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <base/log.hpp>
#include <base/secret.hpp>
#include <provisioning/command.hpp>

#include "token_process.hpp"

namespace {

using namespace sigillo;

constexpr std::size_t kArenaBytes = 4 * 1024 * 1024;
constexpr std::size_t kArgumentMax = 4096;

// One a line, so that two new commands do not meet.
// clang-format off
constexpr void (*kCommands[])(CLI::App&, provisioning::Context&) = {
    provisioning::add_dev_init,
    provisioning::add_validate_config,
    provisioning::add_state,
    provisioning::add_officer,
    provisioning::add_policy,
    provisioning::add_audit,
    provisioning::add_backup,
    provisioning::add_restore,
    provisioning::add_subject,
    provisioning::add_diagnose,
    provisioning::add_channel,
    provisioning::add_key_commands,
    provisioning::add_hsm,
    provisioning::add_ceremony,
    provisioning::add_shares,
    provisioning::add_token_signer,
};
// clang-format on

// Asked of the arguments as they stand: where they cannot be parsed, who reads JSON is told so in JSON.
bool wants_json(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--format=json" ||
        (word == "--format" && i + 1 < argc && argv[i + 1] == std::string_view("json")))
      return true;
  }
  return false;
}

// What is empty or longer than a path can be is no argument of any command.
void refuse_nothing(CLI::App& app) {
  const CLI::Validator something(
      [](const std::string& text) {
        if (text.empty()) return std::string("it is empty");
        return text.size() > kArgumentMax ? "it is longer than " + std::to_string(kArgumentMax) + " bytes"
                                          : "";
      },
      "", "something");
  for (auto* option :
       app.get_options([](const CLI::Option* one) { return one->get_items_expected_max() > 0; }))
    option->check(something);
  for (auto* command : app.get_subcommands([](const CLI::App*) { return true; })) refuse_nothing(*command);
}

// "sigillo audit export", as far as the arguments were understood.
std::string command_of(const CLI::App& app) {
  std::string words = app.get_name();
  for (const auto* below = &app; !below->get_subcommands().empty();) {
    below = below->get_subcommands().front();
    words += ' ' + below->get_name();
  }
  return words;
}

bool wants_command(const CLI::App& app) {
  const auto* below = &app;
  while (!below->get_subcommands().empty()) below = below->get_subcommands().front();
  return !below->get_subcommands({}).empty();
}

int run(int argc, char** argv) {
  provisioning::Context context;
  CLI::App app("Sigillo: the officers' commands of the PIN appliance.", "sigillo");
  app.footer(
      "Exit codes of every command: 0 good, 1 local error, 2 remote error or sealed; audit, backup and "
      "ceremony verify have more.\n"
      "Secrets are never arguments: they come from files that only their owner can read.");
  app.set_version_flag("--version", std::string("sigillo ") + SIGILLO_VERSION);
  app.require_subcommand(1);
  app.fallthrough();  // --format may stand after the command
  std::string format = "text";
  app.add_option("--format", format, "text, or json with a `schema` that names its version")
      ->check(CLI::IsMember({"text", "json"}))
      ->each([&context](const std::string& value) { context.json = value == "json"; });
  for (const auto add : kCommands) add(app, context);
  refuse_nothing(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    context.json = wants_json(argc, argv);
    const auto unknown = app.remaining(true);
    const bool no_command = error.get_name() == "RequiredError" && wants_command(app) && !unknown.empty();
    context.failed(provisioning::Exit::local,
                   no_command ? '"' + unknown.front() + "\" is no command." : std::string(error.what()) + '.',
                   "Nothing was changed. See `" + command_of(app) + " --help`.");
  }
  return static_cast<int>(context.exit);
}

}  // namespace

int main(int argc, char** argv) {
  // A core of a command would hold what a core of the appliance may not.
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  provisioning::keep_environment();
  if (!base::lock_secret_arena(kArenaBytes)) base::log::warn("sigillo.memory_not_locked");
  const int code = run(argc, argv);
  base::log::flush();
  std::fflush(nullptr);
  // PKCS#11 modules crash in their destructors at exit (SoftHSM2 does): nothing is left to destroy, so leave.
  ::_exit(code);
}
