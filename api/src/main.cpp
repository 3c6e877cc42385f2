// sigillod: the appliance's server. This file composes; what it composes is in the libraries.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include <api/admin_socket.hpp>
#include <api/routes.hpp>
#include <api/server.hpp>
#include <appliance/host.hpp>
#include <base/log.hpp>
#include <base/printable.hpp>

#include "https_post.hpp"
#include "process.hpp"
#include "sandbox.hpp"
#include "startup.hpp"

// Options of jemalloc, which looks for this name (jemalloc(3), TUNING); where it is not linked, nobody reads
// it. An arena for a core, not for a thread: what the worker and the deciders allocate others free, and it
// goes back to the arena that it came from. With one for each thread that arena takes new pages meanwhile, a
// page fault a verification.
extern "C" const char* malloc_conf;
const char* malloc_conf = "percpu_arena:percpu";  // NOLINT(misc-use-internal-linkage)

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
    "Without a token PIN, or with one that the token refuses, it runs on sealed and waits for `sigillo "
    "unseal`.\n"
    "\n"
    "Exit codes:\n"
    "  0  ended by a signal\n"
    "  1  a local error: arguments, configuration, certificate files, a port that is taken\n"
    "  2  the HSM cannot be used: its module, its keys\n"
    "  3  the store was refused: rolled back, altered, of another token, or of a later version\n";

[[noreturn]] void fail(Exit code, const std::string& sentence) {
  std::fprintf(stderr, "sigillod: %s\n", base::printable_sentence(sentence).c_str());
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

std::unique_ptr<api::Server> open_server(const appliance::Config& config, appliance::Service& service,
                                         const base::Clock& clock) {
  api::ServerOptions options{.listen = endpoint(config.server.listen),
                             .monitor = endpoint(config.server.monitor),
                             .certificate = config.server.certificate,
                             .channel_ca = config.server.channel_ca,
                             .quotas = config.quotas,
                             .audit = config.audit};
  auto server = api::Server::open(std::move(options), service, clock);
  if (!server) {
    if (server.error().is(api::PostErrc::address) || server.error().is(api::PostErrc::ca))
      fail(server.error(), "cannot push checkpoints to " + config.audit.checkpoint_url,
           "See [audit] checkpoint_url and checkpoint_ca.");
    if (!server.error().is(api::Errc::certificate)) fail_to_listen(server.error(), config.server);
    fail(server.error(), "cannot use " + config.server.certificate + " with " + config.server.channel_ca,
         "See [server] certificate and channel_ca; the key is the HSM's.");
  }
  return std::move(server).value();
}

// Once it serves, and only then: the first time that the appliance is open.
void say_ready(const api::Server& server, bool& said) {
  if (!std::exchange(said, true)) {
    std::printf("sigillod ready, https port %u, monitor port %u\n", unsigned{server.port()},
                unsigned{server.monitor_port()});
    std::fflush(stdout);
  }
  base::log::info("serving", {{"port", server.port()}, {"monitor", server.monitor_port()}});
}

bool try_unseal(appliance::Host& host, const appliance::Config& config) {
  const auto unsealed = api::unseal_alone(host, config);
  if (!unsealed)
    fail(unsealed.error(), "cannot open the appliance of " + config.file, "`sigillo diagnose` says more.");
  if (*unsealed == api::Unsealed::for_person)
    base::log::warn("sealed", {{"reason", host.reasons().front()}, {"advice", "sigillo unseal"}});
  return *unsealed != api::Unsealed::later;
}

void reload(api::Server& server) {
  api::tell_supervisor("RELOADING=1");
  if (const auto done = server.reload_tls(); done)
    base::log::info("certificates-reloaded");
  else
    base::log::error("certificates-kept", done.error());
  api::tell_supervisor("READY=1");
}

void serve(api::Server& server, appliance::Host& host, appliance::Administration& administration,
           const appliance::Config& config) {
  constexpr base::Duration kPause = base::seconds(2);  // while the HSM is away
  const auto beat = api::heartbeat();
  const base::Duration round = std::min(base::seconds(30), beat.value_or(base::seconds(30)));
  bool settled = try_unseal(host, config);
  api::give_up_privileges();        // the module is loaded, or an officer will have it loaded so
  api::tell_supervisor("READY=1");  // it serves, or says that it is sealed
  for (;;) {
    const int signal = api::wait_for_signal(settled ? round : kPause);
    // Only while both sides move: a supervisor that hears nothing starts another one.
    if (beat && server.beat(host.patience()) && !host.hangs()) api::tell_supervisor("WATCHDOG=1");
    if (signal == 0) {
      administration.forget_old_shares();
      settled = settled || host.standing() != appliance::Standing::sealed || try_unseal(host, config);
    } else if (signal != SIGHUP) {
      return;
    } else {
      reload(server);
    }
  }
}

int run(const std::string& config_path) {
  api::block_signals();
  api::harden();
  const appliance::Config config = read_config(config_path);
  const base::SystemClock clock;
  appliance::Host host(config, clock);
  // Listening before the store is opened: a port that another sigillod has ends this one while its anchor is
  // still untouched. Not destroyed: the host goes first, and calls it still has come back to a server that is
  // there.
  api::Server* const server = open_server(config, host, clock).release();
  bool said_ready = false;
  host.set_doors({.opened = [&](EVP_PKEY* key) { return server->use_key(key); },
                  .serving = [&] { say_ready(*server, said_ready); },
                  .closing = [server] { static_cast<void>(server->use_key(nullptr)); }});
  server->start();
  appliance::Administration administration(host, clock);
  const std::string socket = appliance::admin_socket(config);
  auto admin = api::AdminSocket::open(socket, administration);
  if (!admin) {
    base::log::error("admin-socket-not-opened", admin.error());
    base::log::warn("admin-socket", {{"path", socket}, {"advice", "officers cannot reach this process"}});
  }
  serve(*server, host, administration, config);
  base::log::info("stopping");
  api::tell_supervisor("STOPPING=1");
  if (admin) admin.value()->close();
  server->stop();
  host.end();
  if (admin) admin.value().reset();
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
    if (error.get_exit_code() == 0) return app.exit(error);
    std::fprintf(stderr, "sigillod: %s\nSee `sigillod --help`.\n",
                 base::printable_sentence(error.what()).c_str());
    return static_cast<int>(Exit::local);
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
