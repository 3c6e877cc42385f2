// sigillod: the appliance's server. This file composes; what it composes is in the libraries.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <memory>
#include <string>

#include <api/routes.hpp>
#include <api/server.hpp>
#include <appliance/assembly.hpp>
#include <base/log.hpp>

#include "process.hpp"

namespace {

using namespace sigillo;
using api::Exit;

constexpr const char* kFooter =
    "Examples:\n"
    "  sigillod --config /etc/sigillo/sigillo.toml\n"
    "  sigillod --routes                        which role may call what, as a table\n"
    "\n"
    "It prints one line with the word `ready` on standard output once it serves; its log goes to standard "
    "error.\n"
    "SIGTERM and SIGINT end it after the requests in flight; SIGHUP reads the certificate and the channel CA "
    "again.\n"
    "\n"
    "Exit codes:\n"
    "  0  ended by a signal\n"
    "  1  a local error: arguments, configuration, certificate files, a port that is taken\n"
    "  2  sealed: the HSM, its token PIN or its keys\n"
    "  3  the store was refused: rolled back, altered, or of another token\n";

[[noreturn]] void fail(Exit code, const std::string& sentence) {
  std::fprintf(stderr, "sigillod: %s\n", sentence.c_str());
  api::leave(code);
}

// What went wrong, in a sentence that names the thing and the next step.
[[noreturn]] void fail(const base::Error& error, const std::string& doing, const std::string& advice) {
  base::log::error("start-failed", error);
  fail(api::exit_of(error.number()), doing + ": " + error.detail() + ". " + advice);
}

[[noreturn]] void fail_to_listen(const base::Error& error, const appliance::ServerConfig& server) {
  fail(error, "cannot listen on " + server.listen + " (monitor " + server.monitor + ")",
       "Another process may have the port; see [server] listen and monitor.");
}

appliance::Config read_config(const std::string& path) {
  auto loaded = appliance::load_config(path);
  if (const auto* const error = std::get_if<appliance::ConfigError>(&loaded))
    fail(Exit::local, error->message);
  return std::move(std::get<appliance::Config>(loaded));
}

api::Endpoint endpoint(const std::string& text) {
  const auto parsed = appliance::parse_endpoint(text);
  if (!parsed) fail(Exit::local, text + " is not HOST:PORT. See [server] listen and monitor.");
  return {parsed->first, parsed->second};
}

std::unique_ptr<api::Server> open_server(const appliance::Config& config, EVP_PKEY* key,
                                         appliance::Service& service, const base::Clock& clock) {
  api::ServerOptions options{.listen = endpoint(config.server.listen),
                             .monitor = endpoint(config.server.monitor),
                             .certificate = config.server.certificate,
                             .channel_ca = config.server.channel_ca,
                             .key = key,
                             .quotas = config.quotas};
  auto server = api::Server::open(std::move(options), service, clock);
  if (!server) {
    if (!server.error().is(api::Errc::certificate)) fail_to_listen(server.error(), config.server);
    fail(server.error(), "cannot use " + config.server.certificate + " with " + config.server.channel_ca,
         "See [server] certificate and channel_ca; the key is the HSM's.");
  }
  return std::move(server).value();
}

void serve(api::Server& server) {
  server.start();
  std::printf("sigillod ready, https port %u, monitor port %u\n", unsigned{server.port()},
              unsigned{server.monitor_port()});
  std::fflush(stdout);
  base::log::info("serving", {{"port", server.port()}, {"monitor", server.monitor_port()}});
  while (api::wait_for_signal() == SIGHUP) {
    if (const auto done = server.reload_tls(); done)
      base::log::info("certificates-reloaded");
    else
      base::log::error("certificates-kept", done.error());
  }
  base::log::info("stopping");
  server.stop();
}

int run(const std::string& config_path) {
  api::block_signals();
  api::harden();
  const appliance::Config config = read_config(config_path);
  if (const auto free = api::check_endpoints(endpoint(config.server.listen), endpoint(config.server.monitor));
      !free) {
    fail_to_listen(free.error(), config.server);
  }
  const base::SystemClock clock;
  auto assembly = appliance::Assembly::open(config, clock);
  if (!assembly) {
    fail(assembly.error(), "cannot open the appliance of " + config.file, "`sigillo diagnose` says more.");
  }
  auto key = assembly.value()->tls_key();
  if (!key) fail(key.error(), "cannot use the token's TLS key", "`sigillo diagnose` says more.");
  // Not destroyed: the assembly goes first, and calls it still has come back to a server that is there.
  api::Server* const server =
      open_server(config, key.value().get(), assembly.value()->service(), clock).release();
  serve(*server);
  key.value().reset();
  assembly.value().reset();
  base::log::info("stopped");
  api::leave(Exit::good);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"The server of a Sigillo appliance.", "sigillod"};
  std::string config;
  bool show_routes = false;
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("sigillod ") + SIGILLO_VERSION);
  auto* const config_option =
      app.add_option("--config", config, "The configuration file (TOML)")->type_name("FILE");
  app.add_flag("--routes", show_routes, "Print which role may call what, and end")->excludes(config_option);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(Exit::local);
  }
  if (show_routes) {
    std::fputs(api::role_table().c_str(), stdout);
    return 0;
  }
  if (config.empty()) {
    std::fputs("sigillod: --config FILE is needed. See sigillod --help.\n", stderr);
    return static_cast<int>(Exit::local);
  }
  return run(config);
}
