// sigillo-courier: composes a courier of the spool folder. Exit codes: 0 good, 1 local (options, files,
// spool), 2 remote (the appliance is away or refuses; only with --once and --drain, for otherwise that is
// waited out).
#include <cstdio>
#include <system_error>

#include <CLI/CLI.hpp>

#include <base/log.hpp>
#include <base/printable.hpp>
#include <channels/courier.hpp>
#include <channels/errc.hpp>
#include <channels/files.hpp>

namespace {

using namespace std::string_literals;
namespace base = sigillo::base;
namespace channels = sigillo::channels;

constexpr int kLocal = 1;
constexpr int kRemote = 2;
constexpr std::size_t kArenaBytes = 4 * 1024 * 1024;

struct Options {
  channels::ClientOptions client;
  channels::CourierOptions courier;
  std::vector<std::string> delivery_keys;
  std::string spool;
  std::string poll = "5s";
  bool once = false;
  bool drain = false;
};

// The private half into `file`, the public one beside it. Its name is its thumbprint, as the appliance takes
// it.
void make_delivery_key(const std::string& file) {
  const auto key = base::EcPrivateKey::generate();
  const auto kid = key.public_key().thumbprint();
  const auto closed = key.to_jwk(kid);
  const std::string open = key.public_key().to_jwk(kid, "enc") + '\n';
  auto made = channels::write_new_file(file, closed.expose());
  if (made) made = channels::write_new_file(file + ".pub", base::view(open), 0644);
  if (made) return;
  throw CLI::ValidationError("--new-delivery-key",
                             file + ": " + made.error().detail() + ": name a file that is not there yet");
}

void declare(CLI::App& app, Options& options) {
  app.description(
      "Fetches the sealed deliveries of one medium, opens them and puts each into a spool folder as "
      "<delivery_id>.json.");
  app.footer(
      "Example:\n"
      "  sigillo-courier --server https://localhost:8443 --ca ca.pem --cert cert.pem --key key.pem \\\n"
      "    --delivery-key delivery.jwk --spool /var/spool/sigillo/sms\n"
      "  sigillo-courier --new-delivery-key delivery.jwk      and delivery.jwk.pub, for whoever enrols the "
      "channel\n\n"
      "Private keys are files that only their owner can read (mode 600). SIGTERM ends it after the message "
      "in hand.\n"
      "Exit codes: 0 good; 1 local error (options, files, spool); 2 the appliance is away or refuses "
      "(--once, --drain).");
  app.set_config("--config", "", "a file of these options, one `name = \"value\"` a line");
  app.allow_config_extras(CLI::config_extras_mode::error);
  // Before what the others require is looked for: it is another errand than theirs.
  app.add_option_function<std::string>(
         "--new-delivery-key",
         [](const std::string& file) {
           make_delivery_key(file);
           throw CLI::Success();
         },
         "make a delivery key into this file, FILE.pub beside it, and end")
      ->trigger_on_parse()
      ->type_name("FILE");
  app.add_option("--server", options.client.server, "https://HOST:PORT of the appliance")->required();
  app.add_option("--ca", options.client.ca, "PEM file of the CA that the appliance's certificate is under")
      ->required();
  app.add_option("--cert", options.client.certificate, "PEM file of this courier's certificate")->required();
  app.add_option("--key", options.client.key, "PEM file of its private key")->required();
  app.add_option("--delivery-key", options.delivery_keys,
                 "JWK file of the private delivery key; again for older ones")
      ->required();
  app.add_option("--spool", options.spool, "folder that messages are put into; made where it is not there")
      ->required();
  app.add_option("--poll", options.poll, "pause when there is nothing: a number and s, m or h")
      ->capture_default_str();
  app.add_option("--lease", options.courier.lease_max, "messages a lease")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  auto* once = app.add_flag("--once", options.once, "one lease, then end");
  app.add_flag("--drain", options.drain, "end when nothing is left")->excludes(once);
}

int complain(const std::string& what, int code) {
  std::fputs(("sigillo-courier: " + base::printable_sentence(what) + '\n').c_str(), stderr);
  if (code == kLocal)
    std::fputs("Correct that, and start it again; `sigillo-courier --help` has its options.\n", stderr);
  return code;
}

std::string sentence(const base::Error& error) {
  const bool of_the_system = error.is(channels::Errc::file) || error.is(channels::Errc::sink);
  if (of_the_system && error.raw() != 0)
    return std::string(error.detail()) + ": " +
           std::generic_category().message(static_cast<int>(error.raw()));
  return error.detail() + (error.raw() == 0 ? ""s : " (" + std::to_string(error.raw()) + ')');
}

int serve(Options& options) {
  const auto poll = base::parse_duration(options.poll);
  if (!poll || poll->ms == 0) return complain("--poll must be a number and s, m or h, such as 5s.", kLocal);
  options.courier.poll = *poll;
  if (!options.client.server.starts_with("https://"))
    return complain("--server must be an https:// URL.", kLocal);
  while (options.client.server.ends_with('/')) options.client.server.pop_back();
  options.courier.mode = options.once    ? channels::Mode::once
                         : options.drain ? channels::Mode::drain
                                         : channels::Mode::forever;

  std::vector<base::EcPrivateKey> keys;
  for (const auto& path : options.delivery_keys) {
    const auto text = channels::read_private_file(path);
    if (!text) return complain(path + ": " + sentence(text.error()) + '.', kLocal);
    auto key = base::EcPrivateKey::from_jwk(*text);
    if (!key) return complain(path + ": not a private EC P-256 key as a JWK.", kLocal);
    keys.push_back(std::move(*key));
  }
  channels::Stop stop;
  auto client = channels::Client::create(options.client, stop);
  if (!client) return complain(options.client.key + ": " + sentence(client.error()) + '.', kLocal);
  auto sink = channels::SpoolSink::open(options.spool);
  if (!sink) return complain(options.spool + ": " + sentence(sink.error()) + '.', kLocal);
  channels::Courier courier(**client, *sink, stop, std::move(keys), options.courier);
  const auto done = courier.run();
  if (done) return 0;
  const bool local = done.error().is(channels::Errc::sink) || done.error().is(channels::Errc::file);
  return complain(sentence(done.error()) + '.', local ? kLocal : kRemote);
}

}  // namespace

int main(int argc, char** argv) {
  if (!base::lock_secret_arena(kArenaBytes)) base::log::warn("courier.memory_not_locked");
  CLI::App app{"", "sigillo-courier"};  // or --help names the path that it was called by
  Options options;
  declare(app, options);
  app.set_version_flag("--version", std::string("sigillo-courier ") + SIGILLO_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return complain(error.what(), kLocal);
  }
  const int code = serve(options);
  base::log::flush();
  return code;
}
