// sigillo subject erase: takes all that is kept of a citizen out of the store of a stopped appliance.
#include <memory>
#include <optional>

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <appliance/assembly.hpp>
#include <base/secret.hpp>
#include <provisioning/command.hpp>
#include <sealed_store/store.hpp>

namespace sigillo::provisioning {
namespace {

constexpr std::size_t kLineMax = 64;
constexpr std::size_t kReasonMax = 500;

constexpr const char* kHelp =
    "Erases a citizen: the record, deliveries, links, conversions, authorizations, and the uses of contacts, "
    "in one\n"
    "commit. The codice fiscale is one line on standard input, never an argument. The ledger stays whole and "
    "gets an\n"
    "entry `erased` with the SHA-256 of the reason: keep the words where the order is kept, and name nobody "
    "in them.\n"
    "The counts of wrong guesses stay: an erasure gives no new ones.\n\n"
    "The appliance is stopped meanwhile. The command takes over its anchor in the HSM like a start does, so "
    "a "
    "copy that\n"
    "runs on another machine answers no more from then on.";
constexpr const char* kFooter =
    "Examples:\n"
    "  systemctl stop sigillod\n"
    "  sigillo subject erase --config /etc/sigillo/sigillo.toml --reason \"order 2026/117\" < subject.txt\n\n"
    "Exit codes: 0 nothing is kept any more (or was not before: `known` says which); 1 local error, and "
    "nothing is\n"
    "changed (configuration, input, the appliance runs, the store is refused); 2 the HSM did not serve. "
    "After "
    "a 2, run\n"
    "the same command again: what is erased is erased, and what is not is found.";

struct Request {
  std::string config, reason;
};

// Whether anything takes connections there. An address that cannot be asked counts as silent: the anchor is
// still between two copies.
bool answers(const std::string& endpoint) {
  const auto parsed = appliance::parse_endpoint(endpoint);
  if (!parsed) return false;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(parsed->first.c_str(), std::to_string(parsed->second).c_str(), &hints, &found) != 0)
    return false;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const int fd = ::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
    if (fd < 0) continue;
    const bool connected = ::connect(fd, at->ai_addr, at->ai_addrlen) == 0;
    ::close(fd);
    if (connected) return true;
  }
  return false;
}

// One line of standard input, into locked memory: read() and no stream, whose buffer nobody would wipe.
// Nothing where it is no codice fiscale.
std::optional<appliance::Subject> read_subject() {
  base::Secret line(kLineMax);
  std::size_t size = 0;
  while (size < kLineMax) {
    const ssize_t got = ::read(STDIN_FILENO, line.writable().data() + size, kLineMax - size);
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
    if (line.expose_text().substr(0, size).ends_with('\n')) break;
  }
  if (size == kLineMax) return std::nullopt;
  auto text = line.expose_text().substr(0, size);
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  return appliance::Subject::parse(text);
}

base::Result<appliance::Erased> erase(const appliance::Config& config, const appliance::Subject& subject,
                                      const std::string& reason) {
  const base::SystemClock clock;
  SIGILLO_TRY(const auto pin, appliance::read_pin_file(config.hsm.pin_file));
  SIGILLO_TRY(const auto assembly, appliance::Assembly::open(config, pin, clock));
  return assembly->erase(subject, reason);
}

bool is_hsm(const base::Error& error) {
  return error.number() / 100 == static_cast<std::uint16_t>(hsm::Errc::unavailable) / 100;
}

void fail(const base::Error& error, const appliance::Config& config, Context& context) {
  if (error.is(sealed_store::Errc::fenced))
    return context.failed(Exit::local,
                          "An appliance with the anchor of " + config.store.path + " is running.",
                          "Nothing was changed. Stop it, and run the same command again.");
  context.failed(is_hsm(error) ? Exit::remote_or_sealed : Exit::local,
                 "Nothing is known to be erased from " + config.store.path + ": " + sentence(error) + '.',
                 "Correct that, and run the same command again.");
}

void report(const appliance::Erased& erased, Context& context) {
  const auto count = [](std::size_t n, const char* what) { return std::to_string(n) + ' ' + what; };
  const std::string words =
      (erased.known ? std::string("Erased: the record, ") : std::string("There was no record. Erased: ")) +
      count(erased.deliveries, "deliveries, ") + count(erased.links, "links, ") +
      count(erased.conversions, "conversions, ") + count(erased.authorizations, "authorizations, ") +
      count(erased.contact_uses, "uses of contacts. ") + "Ledger entry " + std::to_string(erased.seq) +
      " says so.\n" + "Kept: the ledger, and the count of wrong PINs in a row (" +
      std::to_string(erased.wrong_guesses) + ").";
  context.result("sigillo.subject-erase/1",
                 {{"known", erased.known},
                  {"deliveries", erased.deliveries},
                  {"links", erased.links},
                  {"conversions", erased.conversions},
                  {"authorizations", erased.authorizations},
                  {"contact_uses", erased.contact_uses},
                  {"wrong_guesses", erased.wrong_guesses},
                  {"seq", erased.seq}},
                 words);
}

void run(const Request& request, Context& context) {
  const auto loaded = appliance::load_config(request.config);
  if (const auto* error = std::get_if<appliance::ConfigError>(&loaded))
    return context.failed(Exit::local, error->message, "Correct the file, or name another with --config.");
  const auto& config = std::get<appliance::Config>(loaded);
  if (request.reason.empty() || request.reason.size() > kReasonMax)
    return context.failed(Exit::local, "--reason has 1 to 500 characters.",
                          "Nothing was changed. Name the order by which this is done.");
  const auto subject = read_subject();
  if (!subject)
    return context.failed(Exit::local, "Standard input is not one line with a codice fiscale.",
                          "Nothing was changed. Write it into a file that only you can read, and give that.");
  // Attack on a running appliance: taking over its anchor would fence it, and it would answer no more.
  for (const auto& endpoint : {config.server.monitor, config.server.listen}) {
    if (answers(endpoint))
      return context.failed(Exit::local, "The appliance is running: something answers on " + endpoint + '.',
                            "Nothing was changed. Stop it, and run the same command again.");
  }
  const auto erased = erase(config, *subject, request.reason);
  if (!erased) return fail(erased.error(), config, context);
  report(*erased, context);
}

}  // namespace

void add_subject(CLI::App& app, Context& context) {
  auto* subject = app.add_subcommand("subject", "What is kept of a citizen: erase it.");
  subject->require_subcommand(1);
  auto* command = subject->add_subcommand("erase", kHelp)->footer(kFooter);
  const auto request = std::make_shared<Request>();
  command->add_option("--config", request->config, "the appliance's configuration file")->required();
  command->add_option("--reason", request->reason, "by which order; its SHA-256 goes into the ledger")
      ->required();
  command->callback([request, &context] { run(*request, context); });
}

}  // namespace sigillo::provisioning
