// sigillo validate-config: reads a configuration as sigillod would, without module, token or store.
#include <memory>

#include <CLI/CLI.hpp>

#include <appliance/config.hpp>
#include <provisioning/command.hpp>

namespace sigillo::provisioning {
namespace {

constexpr const char* kHelp =
    "Checks a configuration file as sigillod reads it: unknown and duplicate keys, types, paths, and a "
    "policy below its\n"
    "profile's floor. It opens neither HSM nor store, so it runs on any machine.";
constexpr const char* kFooter =
    "Example:\n"
    "  sigillo validate-config /etc/sigillo/sigillo.toml\n\n"
    "Exit codes: 0 good; 1 refused (the sentence names file, line and key) or not readable.";

void run(const std::string& file, Context& context) {
  const auto loaded = appliance::load_config(file);
  if (const auto* error = std::get_if<appliance::ConfigError>(&loaded)) {
    return context.failed(Exit::local, error->message, "Correct the file and check it again.");
  }
  const auto& config = std::get<appliance::Config>(loaded);
  const bool development = config.allow_weak_policy;
  context.result(
      "sigillo.validate-config/1",
      {{"file", config.file}, {"profile", config.profile}, {"development", development}},
      config.file + ": good, profile " + config.profile +
          (development ? ". It is a development appliance: any policy is taken, so not for production."
                       : "."));
}

}  // namespace

void add_validate_config(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("validate-config", kHelp)->footer(kFooter);
  const auto file = std::make_shared<std::string>();
  command->add_option("FILE", *file, "configuration file (TOML)")->required();
  command->callback([file, &context] { run(*file, context); });
}

}  // namespace sigillo::provisioning
