// sigillo subject erase: takes all that is kept of a citizen out of the store, by two officers.
#include <filesystem>
#include <memory>
#include <optional>

#include <unistd.h>
#include <CLI/CLI.hpp>
#include <boost/json/value_to.hpp>

#include <appliance/subject.hpp>
#include <base/crypto.hpp>
#include <provisioning/admin.hpp>

#include "files.hpp"

namespace sigillo::provisioning {
namespace {

constexpr std::size_t kLineMax = 64;
constexpr std::size_t kReasonMax = 500;

constexpr const char* kHelp =
    "Erases a citizen: the record, deliveries, links, conversions, authorizations, and the uses of contacts. "
    "Takes two\n"
    "officers. The codice fiscale is one line on standard input, never an argument; what the officers sign, "
    "and what is\n"
    "kept of it, is a commitment that names nobody. The ledger stays whole and gets an entry `erased` with "
    "the SHA-256\n"
    "of the reason: keep the words where the order is kept, and name nobody in them. The counts of wrong "
    "guesses stay:\n"
    "an erasure gives no new ones. The appliance may serve meanwhile, or be stopped.";
constexpr const char* kFooter =
    "Examples:\n"
    "  sigillo subject erase --config /etc/sigillo/sigillo.toml --reason \"order 2026/117\" \\\n"
    "      --officer anna=/media/anna/anna.key --officer bruno=/media/bruno/bruno.key < subject.txt\n"
    "With --act FILE, beside the act a FILE.opening (0600) is kept until the erasure: it is needed with the "
    "codice fiscale.\n\n"
    "Exit codes: 0 nothing is kept any more (or was not before: `known` says which); 1 refused or a local "
    "error, and\n"
    "nothing is changed; 2 the appliance is sealed, or the HSM did not serve. After a 2, run the same "
    "command "
    "again: what\n"
    "is erased is erased, and what is not is found.";

struct Arguments {
  AdminOptions admin;
  std::string reason;
};

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

// The random half of the commitment: the same one each time, where the act goes from hand to hand.
base::Result<base::Bytes> salt_of(const std::string& act_file) {
  const std::string file = act_file + ".opening";
  std::error_code ignored;
  if (!act_file.empty() && std::filesystem::exists(file, ignored)) {
    SIGILLO_TRY(const auto text, read_secret_file(file));
    const auto salt = base::from_hex(text.expose_text());
    if (!salt || salt->size() != appliance::kErasureSalt)
      return base::Error(Errc::file, "the file beside the act does not open it");
    return *salt;
  }
  base::Bytes salt(appliance::kErasureSalt);
  base::random_bytes(salt);
  if (!act_file.empty()) SIGILLO_CHECK(write_new_file(file, base::view(base::to_hex(salt) + '\n'), 0600));
  return salt;
}

std::string in_words(const boost::json::object& erased) {
  const auto count = [&erased](const char* name) {
    return std::to_string(boost::json::value_to<std::uint64_t>(erased.at(name)));
  };
  return (erased.at("known").as_bool() ? std::string("Erased: the record, ")
                                       : std::string("There was no record. Erased: ")) +
         count("deliveries") + " deliveries, " + count("links") + " links, " + count("conversions") +
         " conversions, " + count("authorizations") + " authorizations, " + count("contact_uses") +
         " uses of contacts. Ledger entry " + count("seq") +
         " says so.\nKept: the ledger, and the count of wrong PINs in a row (" + count("wrong_guesses") +
         ").";
}

void run(const Arguments& arguments, Context& context) {
  if (arguments.reason.empty() || arguments.reason.size() > kReasonMax)
    return context.failed(Exit::local, "--reason has 1 to 500 characters.",
                          "Nothing was changed. Name the order by which this is done.");
  const auto subject = read_subject();
  if (!subject)
    return context.failed(Exit::local, "Standard input is not one line with a codice fiscale.",
                          "Nothing was changed. Write it into a file that only you can read, and give that.");
  const std::string& act_file = arguments.admin.act_file;
  std::error_code ignored;
  const bool begun = !act_file.empty() && std::filesystem::exists(act_file + ".opening", ignored);
  const auto salt = salt_of(act_file);
  if (!salt)
    return context.failed(Exit::local, arguments.admin.act_file + ".opening: " + sentence(salt.error()) + '.',
                          "Nothing was changed. Name another file for the act.");
  auto opening = base::Secret::concat({*salt, base::view(subject->text())});
  const auto reason = base::to_hex(base::sha256({base::view(arguments.reason)}));
  AdminAsk ask{.action = "subject.erase",
               .parameters = {{"subject", appliance::erasure_commitment(opening)}, {"reason_sha256", reason}},
               .secret = std::move(opening)};
  auto erased = perform(arguments.admin, context, std::move(ask));
  const bool waits =
      !erased && (begun || std::filesystem::exists(act_file, ignored));  // for the other officer
  if (!act_file.empty() && !waits) ::unlink((act_file + ".opening").c_str());
  if (!erased) return;
  const auto words = in_words(*erased);
  context.result("sigillo.subject-erase/1", std::move(*erased), words);
}

}  // namespace

void add_subject(CLI::App& app, Context& context) {
  auto* subject = app.add_subcommand("subject", "What is kept of a citizen: erase it.");
  subject->require_subcommand(1);
  auto* command = subject->add_subcommand("erase", kHelp)->footer(kFooter);
  const auto arguments = std::make_shared<Arguments>();
  add_admin_options(*command, arguments->admin, 2);
  command->add_option("--reason", arguments->reason, "by which order; its SHA-256 goes into the ledger")
      ->required();
  command->callback([arguments, &context] { run(*arguments, context); });
}

}  // namespace sigillo::provisioning
