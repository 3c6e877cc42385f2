// sigillo dev-init: the words around a development appliance.
#include <algorithm>
#include <memory>

#include <CLI/CLI.hpp>

#include <appliance/config.hpp>
#include <provisioning/command.hpp>
#include <provisioning/development.hpp>

namespace sigillo::provisioning {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHelp =
    "Makes a development appliance in DIR from nothing: a SoftHSM2 token and its keys, the store, a CA, the "
    "server\n"
    "certificate and one channel of each role. It asks for nothing. Not for production: one person holds "
    "every key.";
constexpr const char* kFooter =
    "Examples:\n"
    "  sigillo dev-init var/dev\n"
    "  sigillo dev-init /tmp/appliance --listen 127.0.0.1:18443 --monitor 127.0.0.1:19464\n\n"
    "Exit codes: 0 made; 1 not made, and nothing is left of it (DIR holds an appliance, is not empty, cannot "
    "be written).";

struct Arguments {
  std::string folder;
  std::string listen = DevelopmentOptions{}.listen;
  std::string monitor = DevelopmentOptions{}.monitor;
};

std::string advice(const base::Error& error, const std::string& folder) {
  if (error.is(Errc::exists)) return "Name another folder, or remove " + folder + " first.";
  if (error.is(Errc::module)) return "Install what packages.txt lists (./run build does it).";
  return "Nothing is left of it: correct that, and run the same command again.";
}

void run(const Arguments& arguments, Context& context) {
  std::error_code error;
  DevelopmentOptions options;
  options.folder = fs::weakly_canonical(fs::absolute(arguments.folder, error), error);
  if (!options.folder.has_filename()) options.folder = options.folder.parent_path();
  options.listen = arguments.listen;
  options.monitor = arguments.monitor;
  const std::string folder = options.folder.string();
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  if (error || folder.size() < 2 || std::any_of(folder.begin(), folder.end(), is_control)) {
    return context.failed(Exit::local, "\"" + arguments.folder + "\" cannot be the folder of an appliance.",
                          "Name a folder that is not there yet, without control characters.");
  }
  for (const auto& endpoint : {options.listen, options.monitor}) {
    if (!appliance::parse_endpoint(endpoint)) {
      return context.failed(Exit::local, "\"" + endpoint + "\" is not HOST:PORT.",
                            "Write it as in 127.0.0.1:8443.");
    }
  }
  std::string doing;
  const auto made = make_development_appliance(options, base::SystemClock(), doing);
  if (!made) {
    const bool refused = made.error().is(Errc::exists);
    if (refused)
      return context.failed(Exit::local, folder + ": " + made.error().detail() + '.',
                            advice(made.error(), folder));
    return context.failed(Exit::local, "Failed while " + doing + ": " + sentence(made.error()) + '.',
                          advice(made.error(), folder));
  }
  const std::string config = (options.folder / "sigillo.toml").string();
  context.result(
      "sigillo.dev-init/1",
      {{"folder", folder}, {"config", config}, {"listen", options.listen}, {"monitor", options.monitor}},
      "A development appliance is in " + folder + ".\nStart it:  sigillod --config " + config);
}

}  // namespace

void add_dev_init(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("dev-init", kHelp)->footer(kFooter);
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("DIR", arguments->folder, "folder to make; not there yet, or empty")->required();
  command->add_option("--listen", arguments->listen, "HOST:PORT of the API")->capture_default_str();
  command->add_option("--monitor", arguments->monitor, "HOST:PORT of health and metrics, on loopback")
      ->capture_default_str();
  command->callback([arguments, &context] { run(*arguments, context); });
}

}  // namespace sigillo::provisioning
