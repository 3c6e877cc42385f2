// sigillo keys create|backup|restore: what is done to a token with its PIN, beside the appliance or without
// one. Each command works on the one token of its configuration; the second token has a configuration of its
// own.
#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>

#include <appliance/assembly.hpp>
#include <appliance/key_backup.hpp>
#include <base/shares.hpp>
#include <provisioning/terminal.hpp>

#include "admin_client.hpp"
#include "files.hpp"
#include "keys.hpp"
#include "typed_shares.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;
using appliance::KeyBackup;

constexpr std::size_t kBackupMax = 1024 * 1024;

constexpr const char* kFooter =
    "A key is used only once it is backed up. Examples, in this order, on an appliance that runs or not:\n"
    "  sigillo keys create verifier --config C                                a new key, open, used for "
    "nothing\n"
    "  sigillo keys backup prepare --config C --wrapping-key W --new B.json   wrapped under W, 32 bytes in "
    "hex\n"
    "  sigillo keys backup prove --config SECOND --wrapping-key W B.json --proof P.json\n"
    "  sigillo keys backup commit --config C --wrapping-key W B.json --proof P.json   closed for good\n"
    "  sigillo keys rotate verifier --config C ...                            and now in use, by two "
    "officers\n"
    "SECOND is the configuration of another token. After a loss, on a token that was just initialised:\n"
    "  sigillo keys restore --config NEW --shares --keys sigillo.db.keys B1.json B2.json\n\n"
    "W is made with --make-wrapping-key, readable by its owner only. Of the ceremony's backup there is no W "
    "but the\n"
    "custodians' backup shares: --shares asks for them. Exit codes: 0 done; 1 refused, and\n"
    "what was done so far holds: run it again; 2 the HSM did not serve.";

struct Arguments {
  std::string config, wrapping_key, proof, keys, use, out;
  std::vector<std::string> backups;
  bool needs_key = false, make_wrapping_key = false, shares = false;
};

struct Opened {
  appliance::Config config;
  std::unique_ptr<hsm::CeremonyToken> token;
};

void fail(Context& context, const base::Error& error, const std::string& what) {
  const bool hsm = error.number() / 100 == 2;
  context.failed(hsm ? Exit::remote_or_sealed : Exit::local, what + ": " + sentence(error) + '.',
                 "What was done so far holds. Correct that, and run the same command again.");
}

std::optional<Opened> open(const Arguments& arguments, Context& context) {
  auto loaded = appliance::load_config(arguments.config);
  if (const auto* error = std::get_if<appliance::ConfigError>(&loaded)) {
    context.failed(Exit::local, error->message, "Correct the file, or name another with --config.");
    return std::nullopt;
  }
  if (arguments.needs_key && !arguments.shares && arguments.wrapping_key.empty()) {
    context.failed(Exit::local, "Nothing opens the backup: no wrapping key was named.",
                   "Give --shares, and custodians type their backup shares; or --wrapping-key FILE.");
    return std::nullopt;
  }
  auto config = std::get<appliance::Config>(std::move(loaded));
  const auto pin = token_pin(config);
  auto token = pin ? appliance::open_ceremony_token(config.hsm, *pin)
                   : base::Result<std::unique_ptr<hsm::CeremonyToken>>(pin.error());
  if (!token) {
    fail(context, token.error(), "The token " + token_name(config.hsm) + " cannot be opened");
    return std::nullopt;
  }
  return Opened{std::move(config), std::move(*token)};
}

base::Result<base::Secret> key_of_shares() {
  SIGILLO_TRY(const auto combined, combine_typed(base::ShareKind::backup));
  return base::wrapping_key_of(combined);
}

std::string key_place(const Arguments& arguments) {
  return arguments.shares ? "The backup shares" : arguments.wrapping_key;
}

base::Result<base::Secret> wrapping_key(const Arguments& arguments, hsm::Token& token) {
  if (arguments.shares) return key_of_shares();
  if (arguments.make_wrapping_key) {
    SIGILLO_TRY(const auto made, appliance::make_wrapping_key(token));
    auto text = base::to_hex(made.expose());
    const auto written = write_new_file(arguments.wrapping_key, base::view(text), 0600);
    base::wipe(text);
    if (!written) return written.error();
  }
  SIGILLO_TRY(const auto text, read_secret_file(arguments.wrapping_key));
  auto raw = base::from_hex(text.expose_text());
  if (!raw || raw->size() != hsm::kWrappingKeyBytes)
    return base::Error(Errc::file, "a wrapping key is 64 hexadecimal digits");
  base::Secret key(*raw);
  base::wipe(*raw);
  return key;
}

base::Result<std::vector<KeyBackup>> read_backups(const Arguments& arguments, const base::Secret& key) {
  std::vector<KeyBackup> out;
  for (const auto& file : arguments.backups) {
    SIGILLO_TRY(const auto text, read_small_file(file, kBackupMax));
    SIGILLO_TRY(auto backup, appliance::parse_backup(text, key));
    out.push_back(std::move(backup));
  }
  return out;
}

json::array shown(const std::vector<hsm::WrappedKey>& keys) {
  json::array out;
  for (const auto& key : keys)
    out.push_back({{"kid", key.id.kid()}, {"check_value", base::to_hex(key.check_value)}});
  return out;
}

std::string words_of(const std::vector<hsm::WrappedKey>& keys) {
  std::string out;
  for (const auto& key : keys) out += "\n  " + key.id.kid() + "  " + appliance::check_text(key.check_value);
  return out;
}

void create(const Arguments& arguments, Context& context) {
  const auto* use = appliance::find_use(arguments.use);
  if (use == nullptr || !use->rotates)
    return context.failed(
        Exit::local, "No key can be made for \"" + arguments.use + "\".",
        "verifier, store, receipt, ledger, tls and ca have keys; record keys come from store.");
  auto opened = open(arguments, context);
  if (!opened) return;
  const auto made = appliance::create_open_key(*opened->token, *use, base::SystemClock().now());
  if (!made) return fail(context, made.error(), "The key was not made");
  context.result("sigillo.keys-create/1", {{"kid", made->kid()}, {"state", "created"}},
                 made->kid() + " is made. It is used for nothing before its backup is proven and committed.");
}

void prepare(const Arguments& arguments, Context& context) {
  auto opened = open(arguments, context);
  if (!opened) return;
  const auto key = wrapping_key(arguments, *opened->token);
  if (!key) return fail(context, key.error(), key_place(arguments));
  const auto backup = appliance::prepare_backup(*opened->token, *key, token_name(opened->config.hsm),
                                                base::SystemClock().now());
  if (!backup) return fail(context, backup.error(), "Nothing was backed up");
  const auto written = write_new_file(arguments.out, base::view(appliance::encode(*backup, *key)), 0600);
  if (!written) return fail(context, written.error(), arguments.out);
  context.result("sigillo.keys-backup-prepare/1", {{"file", arguments.out}, {"keys", shown(backup->keys)}},
                 arguments.out + " has these keys, wrapped:" + words_of(backup->keys) +
                     "\nRestore it onto a second token now: `sigillo keys backup prove`.");
}

// The appliance's own configuration in place of another token's: what is active there is for officers to say.
bool refused_as_serving(Opened& opened, Context& context, const char* why, const char* next) {
  const auto anchor = appliance::recorded_head(*opened.token, opened.config.store);
  if (!anchor && anchor.error().is(sealed_store::Errc::rolled_back)) return false;
  if (!anchor)
    fail(context, anchor.error(), "The token's anchor cannot be read");
  else
    context.failed(Exit::local,
                   "The token " + token_name(opened.config.hsm) +
                       " is the one that an appliance serves with: " + why + '.',
                   std::string("Nothing was changed. ") + next);
  return true;
}

void prove(const Arguments& arguments, Context& context) {
  auto opened = open(arguments, context);
  if (!opened) return;
  // A proof makes keys active.
  if (refused_as_serving(*opened, context, "a proof is of a second one",
                         "Name the configuration of the second token by --config."))
    return;
  const auto key = wrapping_key(arguments, *opened->token);
  if (!key) return fail(context, key.error(), key_place(arguments));
  const auto backups = read_backups(arguments, *key);
  if (!backups) return fail(context, backups.error(), "The backup is refused");
  std::vector<appliance::KeyProof> proofs;
  for (const auto& backup : *backups) {
    const auto some = appliance::prove_backup(*opened->token, backup, *key, base::SystemClock().now());
    if (!some) return fail(context, some.error(), "The second token did not take the keys");
    proofs.insert(proofs.end(), some->begin(), some->end());
  }
  const auto written = write_new_file(arguments.proof, base::view(appliance::encode(proofs)), 0644);
  if (!written) return fail(context, written.error(), arguments.proof);
  context.result("sigillo.keys-backup-prove/1", {{"proof", arguments.proof}, {"keys", proofs.size()}},
                 "The second token has the keys; what it says of them is in " + arguments.proof + '.');
}

void commit(const Arguments& arguments, Context& context) {
  auto opened = open(arguments, context);
  if (!opened) return;
  const auto key = wrapping_key(arguments, *opened->token);
  if (!key) return fail(context, key.error(), key_place(arguments));
  const auto backups = read_backups(arguments, *key);
  if (!backups) return fail(context, backups.error(), "The backup is refused");
  const auto text = read_small_file(arguments.proof, kBackupMax);
  const auto proofs =
      text ? appliance::parse_proofs(*text) : base::Result<std::vector<appliance::KeyProof>>(text.error());
  if (!proofs) return fail(context, proofs.error(), arguments.proof);
  std::string words = "Closed for good, and backed up:";
  json::array done;
  for (const auto& backup : *backups) {
    const auto committed =
        appliance::commit_backup(*opened->token, backup, *key, *proofs, base::SystemClock().now());
    if (!committed) return fail(context, committed.error(), "The keys are not closed");
    words += words_of(backup.keys);
    for (auto& one : shown(backup.keys)) done.push_back(std::move(one));
  }
  context.result("sigillo.keys-backup-commit/1", {{"keys", std::move(done)}}, words);
}

void restore(const Arguments& arguments, Context& context) {
  auto opened = open(arguments, context);
  if (!opened) return;
  if (arguments.keys.empty() &&
      refused_as_serving(
          *opened, context, "without the list of its keys the newest of each would be active",
          "Name the list that stands beside its store by --keys, or another token by --config."))
    return;
  const auto key = wrapping_key(arguments, *opened->token);
  if (!key) return fail(context, key.error(), key_place(arguments));
  const auto backups = read_backups(arguments, *key);
  if (!backups) return fail(context, backups.error(), "The backup is refused");
  std::optional<appliance::KeyRegister> states;
  if (!arguments.keys.empty()) {
    const auto text = read_small_file(arguments.keys, kBackupMax);
    auto parsed =
        text ? appliance::parse_register(*text) : base::Result<appliance::KeyRegister>(text.error());
    if (!parsed) return fail(context, parsed.error(), arguments.keys);
    states = std::move(*parsed);
  }
  const auto restored =
      appliance::restore_keys(*opened->token, *backups, *key, states, base::SystemClock().now());
  if (!restored) return fail(context, restored.error(), "The token is not restored");
  const auto registered = appliance::KeyRegister::read(*opened->token);
  if (!registered) return fail(context, registered.error(), "The token is restored, but cannot be read");
  json::array list;
  std::string words = "The token has:";
  for (const auto& entry : registered->keys()) {
    list.push_back({{"kid", entry.kid()},
                    {"state", appliance::name(entry.state)},
                    {"check_value", base::to_hex(entry.check_value)}});
    words += "\n  " + entry.kid() + "  " + std::string(appliance::name(entry.state)) + "  " +
             appliance::check_text(entry.check_value);
  }
  context.result("sigillo.keys-restore/1", {{"keys", std::move(list)}}, words);
}

using Run = void (*)(const Arguments&, Context&);

std::pair<CLI::App*, std::shared_ptr<Arguments>> add(CLI::App& parent, Context& context, const char* name,
                                                     const char* help, Run run) {
  auto* command = parent.add_subcommand(name, help)->footer(kFooter);
  auto arguments = std::make_shared<Arguments>();
  arguments->needs_key = run != create;
  command->callback([arguments, &context, run] { run(*arguments, context); });
  command->add_option("--config", arguments->config, "the configuration that names the token")->required();
  if (arguments->needs_key) {
    auto* const file = command->add_option("--wrapping-key", arguments->wrapping_key,
                                           "file of the wrapping key: 64 hexadecimal digits, mode 600");
    command
        ->add_flag("--shares", arguments->shares,
                   "in its place: custodians type the ceremony's backup shares, one after the other")
        ->excludes(file);
  }
  return {command, arguments};
}

}  // namespace

void add_key_ceremony(CLI::App& keys, Context& context) {
  const auto [creates, of_creates] =
      add(keys, context, "create", "A new key, used for nothing before its backup.", create);
  creates->add_option("USE", of_creates->use, "verifier, store, receipt, ledger, tls or ca")->required();
  auto* backup = keys.add_subcommand("backup", "Keys out of the token, wrapped, proven on a second one.")
                     ->footer(kFooter);
  backup->require_subcommand(1);
  const auto [prepares, of_prepares] =
      add(*backup, context, "prepare", "Wraps every key that waits for its backup.", prepare);
  prepares->add_option("--new", of_prepares->out, "the backup to make")->required();
  prepares
      ->add_flag("--make-wrapping-key", of_prepares->make_wrapping_key,
                 "make the wrapping key, into its file")
      ->needs("--wrapping-key");
  const auto [proves, of_proves] =
      add(*backup, context, "prove", "Restores onto the second token, and says what it has.", prove);
  const auto [commits, of_commits] =
      add(*backup, context, "commit", "Closes the keys, once the proof agrees.", commit);
  for (const auto& [command, arguments] : {std::pair(proves, of_proves), std::pair(commits, of_commits)}) {
    command->add_option("BACKUP", arguments->backups, "the backup")->required();
    command->add_option("--proof", arguments->proof, "what the second token says")->required();
  }
  const auto [restores, of_restores] =
      add(keys, context, "restore", "A token from its backups, oldest first.", restore);
  restores->add_option("BACKUP", of_restores->backups, "the backups, oldest first")->required();
  restores->add_option("--keys", of_restores->keys,
                       "the states: the file STORE.keys that stands beside the store");
}

}  // namespace sigillo::provisioning
