// sigillo audit prune: arguments, help and words; what it asks for is done by the appliance.
#include <memory>

#include <CLI/CLI.hpp>

#include <base/clock.hpp>
#include <provisioning/admin.hpp>

#include "audit.hpp"

namespace sigillo::provisioning {
namespace {

constexpr const char* kHelp =
    "Lets the ledger's past go: segment after segment is written to audit.segment_folder, signed, read back, "
    "and only\n"
    "then deleted from the store. Two officers sign. The appliance may run meanwhile, or be stopped. "
    "Counters, "
    "erasures\n"
    "and receipts need none of what goes; `sigillo audit verify` checks segments and export as one chain.";
constexpr const char* kFooter =
    "Examples:\n"
    "  sigillo audit prune --before 2026-01-01 --config /etc/sigillo/sigillo.toml \\\n"
    "      --officer anna=/media/anna/anna.key --officer bruno=/media/bruno/bruno.key\n"
    "  sigillo audit prune --keep-entries 10000000 --config ... --officer ... --officer ...\n"
    "  sigillo audit verify /srv/segments/ledger-1-*.jsonl ledger.jsonl\n\n"
    "A segment ends where the appliance has noted the ledger's head: every audit.segment_entries entries and "
    "once a day,\n"
    "and at this command. Where both limits are given, only what both allow goes.\n\n"
    "Exit codes: 0 done (also where nothing may go yet); 1 refused; 2 the appliance is sealed, or the HSM "
    "did "
    "not serve.";

struct Arguments {
  AdminOptions admin;
  std::string before;
  std::int64_t keep_entries = 0;
};

std::string words_of(const boost::json::object& result) {
  std::string words;
  for (const auto& one : result.at("segments").as_array()) {
    const auto& segment = one.as_object();
    words += std::string(segment.at("file").as_string()) + ": entries " +
             std::to_string(segment.at("first").to_number<std::uint64_t>()) + " to " +
             std::to_string(segment.at("last").to_number<std::uint64_t>()) + ".\n";
  }
  if (words.empty()) words = "Nothing may go yet.\n";
  return words + "The ledger begins with entry " +
         std::to_string(result.at("begins_with").to_number<std::uint64_t>()) + '.';
}

void prune(const Arguments& arguments, Context& context) {
  boost::json::object parameters;
  if (!arguments.before.empty()) {
    if (!base::parse_rfc3339(arguments.before + "T00:00:00Z"))
      return context.failed(Exit::local, arguments.before + " is not a day, such as 2026-01-31.",
                            "Nothing was changed. Correct --before.");
    parameters["before"] = arguments.before;
  }
  if (arguments.keep_entries > 0) parameters["keep_entries"] = arguments.keep_entries;
  if (parameters.empty())
    return context.failed(Exit::local, "Nothing says what is to go.",
                          "Nothing was changed. Give --before DAY, --keep-entries N, or both.");
  auto result =
      perform(arguments.admin, context, {.action = "audit.prune", .parameters = std::move(parameters)});
  if (!result) return;
  const auto words = words_of(*result);
  context.result("sigillo.audit-prune/1", std::move(*result), words);
}

}  // namespace

void add_audit_prune(CLI::App& audit, Context& context) {
  auto* command = audit.add_subcommand("prune", kHelp)->footer(kFooter);
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("--before", arguments->before, "a day (UTC): older entries may go");
  command->add_option("--keep-entries", arguments->keep_entries, "all but so many of the last may go")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000'000}));
  add_admin_options(*command, arguments->admin, 2);
  command->callback([arguments, &context] { prune(*arguments, context); });
}

}  // namespace sigillo::provisioning
