// sigillo keys: what there is, rotation, retiring. The ceremony's half is keys_backup.cpp.
#include <memory>

#include <CLI/CLI.hpp>

#include <appliance/key_register.hpp>
#include <provisioning/admin.hpp>

#include "keys.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;

struct Arguments {
  AdminOptions admin;
  std::string use, kid;
  bool count = false;
};

constexpr const char* kFooter =
    "Examples:\n"
    "  sigillo keys list --config /etc/sigillo/sigillo.toml --count\n"
    "  sigillo keys rotate verifier --config ... --officer anna=anna.key --officer bruno=bruno.key\n"
    "  sigillo keys retire sigillo.verifier-v1 --config ... --officer anna=anna.key --officer "
    "bruno=bruno.key\n\n"
    "docs/KEYS.md says what each rotation costs and what comes after it.\n"
    "Exit codes: 0 done; 1 refused, and nothing is changed (a signature, a key that is still needed, none "
    "that is "
    "backed\n"
    "up); 2 the appliance is sealed, or the HSM did not serve.";

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

std::string table(const json::object& result) {
  std::string out = padded("KID", 24) + padded("USE", 10) + padded("STATE", 11) + padded("SINCE", 22) +
                    padded("CHECK VALUE", 21) + padded("RECORDS", 12) + "USES";
  for (const auto& one : result.at("keys").as_array()) {
    const auto& key = one.as_object();
    const auto text = [&](const char* name) {
      const auto* member = key.if_contains(name);
      return member != nullptr ? std::string(member->as_string()) : std::string("-");
    };
    const auto bytes = base::from_hex(text("check_value"));
    const auto number = [&](const char* name) {
      const auto* member = key.if_contains(name);
      return member != nullptr ? std::to_string(member->to_number<std::uint64_t>()) : std::string("-");
    };
    out += '\n' + padded(text("kid"), 24) + padded(text("use"), 10) + padded(text("state"), 11) +
           padded(text("since"), 22) + padded(bytes ? appliance::check_text(*bytes) : "-", 21) +
           padded(number("records"), 12) + number("uses");
  }
  const auto& reseal = result.at("reseal").as_object();
  if (reseal.at("running").as_bool())
    out += "\nResealing: " + std::to_string(reseal.at("seen").to_number<std::uint64_t>()) + " records seen.";
  return out;
}

void list(const Arguments& arguments, Context& context) {
  auto result =
      perform(arguments.admin, context, {.action = "keys.list", .parameters = {{"count", arguments.count}}});
  if (!result) return;
  const auto words = table(*result);
  context.result("sigillo.keys-list/1", std::move(*result), words);
}

void rotate(const Arguments& arguments, Context& context) {
  auto result =
      perform(arguments.admin, context, {.action = "keys.rotate", .parameters = {{"use", arguments.use}}});
  if (!result) return;
  std::string words = std::string(result->at("kid").as_string()) + " is active.";
  if (const auto* file = result->if_contains("ca_file"))
    words += " Give " + std::string(file->as_string()) +
             " to every channel; then rotate tls, and renew the channels.";
  if (const auto* count = result->if_contains("resealed"))
    words += ' ' + std::to_string(count->to_number<std::uint64_t>()) + " records were brought under it.";
  if (const auto* note = result->if_contains("opening_checkpoint"))
    words += " The last checkpoint by the old key and the first by the new one:\n\n" +
             std::string(result->at("closing_checkpoint").as_string()) + '\n' +
             std::string(note->as_string());
  context.result("sigillo.keys-rotate/1", std::move(*result), words);
}

// "sigillo.verifier-v1", "record-v12"
bool is_kid(const std::string& text) {
  const auto version = text.rfind("-v");
  return version != std::string::npos && version > 0 && version + 2 < text.size() && text.size() <= 64 &&
         text.find_first_not_of("0123456789", version + 2) == std::string::npos &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string::npos;
}

void retire(const Arguments& arguments, Context& context) {
  if (!is_kid(arguments.kid))
    return context.failed(Exit::local,
                          '"' + arguments.kid + "\" is no name of a key, such as sigillo.verifier-v1.",
                          "Nothing was changed. `sigillo keys list` has their names.");
  auto result =
      perform(arguments.admin, context, {.action = "keys.retire", .parameters = {{"kid", arguments.kid}}});
  if (!result) return;
  context.result("sigillo.keys-retire/1", std::move(*result), arguments.kid + " is destroyed.");
}

}  // namespace

void add_key_commands(CLI::App& app, Context& context) {
  auto* keys = app.add_subcommand("keys", "Keys: what there is, backup, rotation, retiring.");
  keys->footer(kFooter);
  keys->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, void (*run)(const Arguments&, Context&),
                       unsigned officers) {
    auto* command = keys->add_subcommand(name, help)->footer(kFooter);
    auto arguments = std::make_shared<Arguments>();
    command->callback([arguments, &context, run] { run(*arguments, context); });
    add_admin_options(*command, arguments->admin, officers);
    return std::pair(command, arguments);
  };
  const auto [lists, of_lists] = add("list",
                                     "Says which keys there are: state, check value, records under each; of "
                                     "record keys how often they sealed.",
                                     list, 0);
  lists->add_flag("--count", of_lists->count, "read every record and count; takes a while");
  const auto [rotates, of_rotates] =
      add("rotate", "The next key of a use takes over. Takes two officers.", rotate, 2);
  rotates->add_option("USE", of_rotates->use, "verifier, record, store, receipt, ledger, tls or ca")
      ->required()
      ->check(CLI::IsMember({"verifier", "record", "store", "receipt", "ledger", "tls", "ca"}));
  const auto [retires, of_retires] =
      add("retire", "Destroys a key that nothing needs any more. Takes two officers.", retire, 2);
  retires->add_option("KID", of_retires->kid, "as `keys list` names it")->required();
  add_key_ceremony(*keys, context);
}

}  // namespace sigillo::provisioning
