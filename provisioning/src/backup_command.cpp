// sigillo backup create: arguments and words; the appliance makes it. sigillo backup verify: a backup's
// folder, without the appliance that made it.
#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>

#include <appliance/backup_check.hpp>
#include <appliance/ledger_export.hpp>
#include <provisioning/admin.hpp>

#include "admin_client.hpp"
#include "audit_files.hpp"
#include "files.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;
using appliance::BackupFinding;
using appliance::BackupVerdict;
using Keys = std::vector<base::EcPublicKey>;

constexpr std::size_t kNameMax = 200;  // with "." and ".partial" it is a name of a file system's still
constexpr std::size_t kKeySetMax = 1024 * 1024;

constexpr const char* kCreateHelp =
    "Makes a backup of the store in FOLDER: a copy of one moment, encrypted as the store is, with the keys' "
    "states, the\n"
    "configuration and the certificates, under a signed manifest. The appliance serves meanwhile, or is "
    "stopped. The copy\n"
    "is opened and checked whole before it counts; FOLDER is there whole or not at all. No officer signs: it "
    "shows nobody\n"
    "anything, and opens nothing without the HSM's keys, which are not in it (`sigillo keys backup`).";
constexpr const char* kCreateFooter =
    "Examples:\n"
    "  sigillo backup create --config /etc/sigillo/sigillo.toml --to /var/lib/sigillo/backup/2026-03-01\n"
    "  sigillo backup create --config ... --to /srv/backup/$(date +%F) --format json\n\n"
    "The appliance writes it, as its own user. packaging/systemd/sigillo-backup.timer makes one every "
    "night.\n\n"
    "Exit codes: 0 made; 1 not made, and nothing is left of it (FOLDER is there, the disk is full, the store "
    "does not\n"
    "hold); 2 the appliance is sealed, or the HSM did not serve.";
constexpr const char* kVerifyHelp =
    "Checks a backup's folder. Without --config it takes neither appliance nor HSM: the manifest's "
    "signature, "
    "and every\n"
    "file against it. With the configuration of an appliance whose token has the keys (the one that made it, "
    "or a\n"
    "restored token beside a new configuration) everything is: each key against the token, the store's "
    "integrity, its\n"
    "whole ledger, each record. Nothing is written. Without --keys and --config the key that the backup "
    "carries is used:\n"
    "that shows damage, not who made it.";
constexpr const char* kVerifyFooter =
    "Examples:\n"
    "  sigillo backup verify /srv/backup/2026-03-01 --keys keys.json\n"
    "  sigillo backup verify /srv/backup/2026-03-01 --config /etc/sigillo/sigillo.toml\n"
    "  sigillo backup verify /srv/backup/2026-03-01 --format json\n\n"
    "Exit codes: 0 intact; 1 local error (no such folder, usage); 2 the HSM did not serve; 10 altered (a "
    "file, "
    "the manifest,\n"
    "or what is in the store); 13 unknown key (signed by none that is trusted); 14 bad signature; 15 a file "
    "is "
    "missing;\n"
    "16 a key is not on the token; 17 the token has another key of that name. What is wrong is named.";

struct CreateArguments {
  AdminOptions admin;
  std::string to;
};
struct VerifyArguments {
  std::string folder, keys, config;
};

// Why a backup cannot be made there; asked before an appliance is opened for it. What it may write is the
// appliance's to find out.
std::optional<std::string> unfit(const std::filesystem::path& to) {
  std::error_code error;
  const auto status = std::filesystem::symlink_status(to, error);
  if (std::filesystem::exists(status)) return "it is there already";
  if (!std::filesystem::status_known(status)) return "it is no path of a folder";
  if (to.filename().native().size() > kNameMax) return "its name is too long";
  if (!std::filesystem::is_directory(to.parent_path(), error))
    return "the folder that it would be in is not there";
  return std::nullopt;
}

void create(const CreateArguments& arguments, Context& context) {
  std::error_code error;
  auto to = std::filesystem::absolute(arguments.to, error).lexically_normal();
  if (!to.has_filename()) to = to.parent_path();  // "x/" is x
  if (const auto why = error ? std::optional<std::string>("it is no path") : unfit(to))
    return context.failed(
        Exit::local, "--to: " + arguments.to + ": " + *why + '.',
        "Nothing was changed. Name a folder that is not there yet; each backup has its own.");
  auto result =
      perform(arguments.admin, context, {.action = "backup.create", .parameters = {{"to", to.string()}}});
  if (!result) return;
  const auto number = [&](const char* name) {
    return std::to_string(result->at(name).to_number<std::uint64_t>());
  };
  const auto words = std::string(result->at("folder").as_string()) + ": " + number("records") +
                     " records, the ledger to entry " + number("seq") + ", " + number("bytes") +
                     " bytes; checked.\nManifest " + std::string(result->at("manifest_sha256").as_string()) +
                     ".\nKeep it apart from this machine, with the backups of the keys.";
  context.result("sigillo.backup-create/1", std::move(*result), words);
}

Exit exit_of(BackupVerdict verdict) {
  switch (verdict) {
    case BackupVerdict::intact:
      return Exit::good;
    case BackupVerdict::altered:
      return Exit::altered;
    case BackupVerdict::unknown_key:
      return Exit::unknown_key;
    case BackupVerdict::bad_signature:
      return Exit::bad_signature;
    case BackupVerdict::missing_file:
      return Exit::missing_file;
    case BackupVerdict::key_missing:
      return Exit::key_missing;
    case BackupVerdict::key_differs:
      return Exit::key_differs;
  }
  std::abort();
}

// A bar for each thing that is done.
class Bars {
 public:
  bool operator()(std::uint64_t done, std::uint64_t total, std::string_view text) {
    if (text != doing_) bar_.emplace(doing_ = text, total);
    bar_->at(done);
    return true;
  }

 private:
  std::string doing_;
  std::optional<Progress> bar_;
};

struct Checked {
  std::optional<appliance::SignedManifest> manifest;
  BackupFinding finding;
  bool everything = false;
};

// What the folder says without a manifest that reads.
base::Result<Checked> unread(const std::filesystem::path& folder, const base::Error& error) {
  std::error_code ignored;
  const bool none = error.is(base::FileErrc::failed) && error.raw() == ENOENT;
  if (none && std::filesystem::is_directory(folder, ignored))
    return Checked{
        {}, {BackupVerdict::missing_file, {appliance::kManifestName}, "It has no manifest."}, false};
  if (error.is(appliance::Errc::backup))
    return Checked{
        {}, {BackupVerdict::altered, {appliance::kManifestName}, "The manifest has no such shape."}, false};
  return error;
}

base::Result<Checked> check(const VerifyArguments& arguments, std::optional<Keys> trusted,
                            hsm::Token* token) {
  const std::filesystem::path folder(arguments.folder);
  auto manifest = appliance::read_manifest(folder);
  if (!manifest) return unread(folder, manifest.error());
  Checked out{std::move(*manifest), {}, false};
  if (token != nullptr && !trusted) {
    SIGILLO_TRY(const auto keys, appliance::KeyRegister::read(*token));
    trusted = appliance::ledger_keys(keys);
  }
  Bars bars;
  const auto progress = std::ref(bars);
  SIGILLO_TRY(out.finding, appliance::check_files(folder, *out.manifest, trusted, progress));
  if (!out.finding.intact() || token == nullptr) return out;
  SIGILLO_TRY(out.finding, appliance::check_keys(out.manifest->manifest, *token));
  if (!out.finding.intact()) return out;
  SIGILLO_TRY(out.finding, appliance::check_store(folder, out.manifest->manifest, *token, progress));
  out.everything = true;
  return out;
}

std::string words_of(const VerifyArguments& arguments, const Checked& checked, bool own_keys) {
  std::string out = arguments.folder + ": " + std::string(name(checked.finding.verdict)) + '.';
  if (!checked.finding.detail.empty()) out += ' ' + checked.finding.detail;
  if (!checked.manifest) return out;
  const auto& manifest = checked.manifest->manifest;
  out += "\nAppliance " + manifest.appliance + ", made " + base::to_rfc3339(manifest.made) +
         ", the ledger to entry " + std::to_string(manifest.head.seq) + ", signed by " +
         checked.manifest->kid + '.';
  if (!checked.finding.intact()) return out;
  out += checked.everything
             ? "\nThe token has every key; the store was opened and all of it checked."
             : "\nThe files are as they were signed for; the store was not opened: for that give --config.";
  if (own_keys) out += "\nThe backup's own key was used: that shows damage, not who made it. Give --keys.";
  return out;
}

json::object members_of(const VerifyArguments& arguments, const Checked& checked, bool own_keys) {
  json::array about;
  for (const auto& one : checked.finding.about) about.push_back(json::value(one));
  json::object out{{"folder", arguments.folder},       {"verdict", name(checked.finding.verdict)},
                   {"about", std::move(about)},        {"detail", checked.finding.detail},
                   {"everything", checked.everything}, {"own_keys", own_keys}};
  if (!checked.manifest) return out;
  const auto& manifest = checked.manifest->manifest;
  out["appliance"] = manifest.appliance;
  out["made_at"] = base::to_rfc3339(manifest.made);
  out["signed_by"] = checked.manifest->kid;
  out["manifest_sha256"] = base::to_hex(appliance::manifest_digest(checked.manifest->text));
  out["seq"] = manifest.head.seq;
  out["hash"] = base::to_hex(manifest.head.hash);
  return out;
}

// Exit code set and said where there is none.
std::optional<std::unique_ptr<hsm::Token>> token_of(const std::string& file, Context& context) {
  if (file.empty()) return nullptr;
  const auto loaded = appliance::load_config(file);
  if (const auto* error = std::get_if<appliance::ConfigError>(&loaded)) {
    context.failed(Exit::local, error->message, "Correct the file, or name another with --config.");
    return std::nullopt;
  }
  const auto& config = std::get<appliance::Config>(loaded);
  const auto pin = token_pin(config);
  auto token =
      pin ? appliance::open_token(config.hsm, *pin) : base::Result<std::unique_ptr<hsm::Token>>(pin.error());
  if (token) return std::move(*token);
  context.failed(pin ? Exit::remote_or_sealed : Exit::local,
                 "The token of " + file + " cannot be opened: " + sentence(token.error()) + '.',
                 "Correct that; or leave --config away, and only the files are checked.");
  return std::nullopt;
}

void verify(const VerifyArguments& arguments, Context& context) {
  std::optional<Keys> trusted;
  if (!arguments.keys.empty()) {
    const auto text = read_small_file(arguments.keys, kKeySetMax);
    trusted = text ? appliance::parse_key_set(*text) : std::nullopt;
    if (!trusted || trusted->empty())
      return context.failed(Exit::local, arguments.keys + ": not a JWK set with a ledger key in it.",
                            "Take one from GET /v1/keys of the appliance.");
  }
  const auto token = token_of(arguments.config, context);
  if (!token) return;
  const bool own_keys = !trusted && !*token;
  const auto checked = check(arguments, std::move(trusted), token->get());
  if (!checked) {
    const bool hsm = checked.error().number() / 100 == 2;
    return context.failed(hsm ? Exit::remote_or_sealed : Exit::local,
                          arguments.folder + " was not checked: " + sentence(checked.error()) + '.',
                          "Name the folder that `sigillo backup create` has made; nothing was changed.");
  }
  context.exit = exit_of(checked->finding.verdict);
  context.result("sigillo.backup-verify/1", members_of(arguments, *checked, own_keys),
                 words_of(arguments, *checked, own_keys));
}

}  // namespace

void add_backup(CLI::App& app, Context& context) {
  auto* backup = app.add_subcommand("backup", "Backups of the store: make one, check one.");
  backup->require_subcommand(1);
  auto* creates = backup->add_subcommand("create", kCreateHelp)->footer(kCreateFooter);
  const auto create_arguments = std::make_shared<CreateArguments>();
  add_admin_options(*creates, create_arguments->admin, 0);
  creates->add_option("--to", create_arguments->to, "the folder to make; it is not there yet")
      ->type_name("DIR")
      ->required();
  creates->callback([create_arguments, &context] { create(*create_arguments, context); });
  auto* verifies = backup->add_subcommand("verify", kVerifyHelp)->footer(kVerifyFooter);
  const auto verify_arguments = std::make_shared<VerifyArguments>();
  verifies->add_option("FOLDER", verify_arguments->folder, "the backup's folder")->required();
  verifies->add_option("--keys", verify_arguments->keys, "JWK set, as GET /v1/keys gives it");
  verifies->add_option("--config", verify_arguments->config,
                       "configuration that names a token with the keys");
  verifies->callback([verify_arguments, &context] { verify(*verify_arguments, context); });
}

}  // namespace sigillo::provisioning
