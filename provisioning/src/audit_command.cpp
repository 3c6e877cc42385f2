// sigillo audit export, sigillo audit verify: arguments and help.
#include <memory>

#include <CLI/CLI.hpp>

#include "audit.hpp"

namespace sigillo::provisioning {
namespace {

constexpr const char* kExportHelp =
    "Writes the whole ledger to FILE as JSON Lines, closed by a checkpoint that the HSM signs and the keys "
    "that "
    "check\n"
    "it. The appliance may run meanwhile, or be stopped. The chain is checked on the way: one that does not "
    "hold, or\n"
    "that is behind what the HSM has anchored, is not signed and FILE is not made.";
constexpr const char* kExportFooter =
    "Examples:\n"
    "  sigillo audit export --config /etc/sigillo/sigillo.toml ledger.jsonl\n"
    "  sigillo audit export --config /etc/sigillo/sigillo.toml - | zstd > ledger.jsonl.zst\n\n"
    "Exit codes: 0 written; 1 local error (configuration, store, FILE is there); 2 the HSM did not serve;\n"
    "10 the store's chain is altered; 11 it has a gap; 12 it is behind the HSM's anchor. But for 0, no FILE.";
constexpr const char* kVerifyHelp =
    "Checks an export offline: every entry's hash and place, the checkpoint's signature, and that the chain "
    "ends in it.\n"
    "Segments that `sigillo audit prune` has written, given in their order and then the export, are checked "
    "as "
    "one\n"
    "chain from its first entry; without them a pruned ledger is intact from where it now begins.\n"
    "An export of before a restore, given before one of after it, is held against that one: it leaves the "
    "first "
    "where\n"
    "two officers have restored the store, and says so, or it is altered.\n"
    "The signatures of officers' acts are checked with the keys that the ledger has enrolled, from its "
    "founding on;\n"
    "with --acts also that each text that officers signed is in it.\n"
    "It needs neither appliance nor HSM. Without --keys the keys that the export carries are used: that "
    "shows "
    "damage,\n"
    "not who signed. Keys from GET /v1/keys, taken by the auditor, show both.";
constexpr const char* kVerifyFooter =
    "Examples:\n"
    "  sigillo audit verify ledger.jsonl --keys keys.json\n"
    "  zstdcat ledger.jsonl.zst | sigillo audit verify - --format json\n"
    "  sigillo officer acts --config sigillo.toml --format json > acts.json    # where the appliance is\n"
    "  sigillo audit verify ledger.jsonl --keys keys.json --acts acts.json\n"
    "  sigillo audit verify /srv/segments/ledger-1-*.jsonl ledger.jsonl --keys keys.json\n"
    "  sigillo audit verify before-restore.jsonl now.jsonl --keys keys.json\n\n"
    "Exit codes: 0 intact; 1 local error (a file that cannot be read or is not an export, usage); 10 altered "
    "(an entry or the "
    "checkpoint\n"
    "was edited, entries were exchanged); 11 gap (entries are missing); 12 cut tail (no checkpoint, or one "
    "beyond the\n"
    "last entry); 13 unknown key (signed, but by none of the keys); 18 act not signed (an act of officers is "
    "forged, "
    "altered, or\nby somebody who may not). The first thing that is wrong is named.";

void add_export(CLI::App& audit, Context& context) {
  auto* command = audit.add_subcommand("export", kExportHelp)->footer(kExportFooter);
  const auto request = std::make_shared<ExportRequest>();
  command->add_option("--config", request->config, "the appliance's configuration file")->required();
  command->add_option("FILE", request->file, "file to make, or - for standard output")->required();
  command->add_flag("--force", request->force, "replace FILE where it is there");
  command->callback([request, &context] { audit_export(*request, context); });
}

void add_verify(CLI::App& audit, Context& context) {
  auto* command = audit.add_subcommand("verify", kVerifyHelp)->footer(kVerifyFooter);
  const auto request = std::make_shared<VerifyRequest>();
  command
      ->add_option(
          "FILE", request->files,
          "segments in their order, then an export, then one of after a restore; - is standard input")
      ->required();
  command->add_option("--keys", request->keys, "JWK set, as GET /v1/keys gives it");
  command->add_option("--acts", request->acts,
                      "texts of acts, as `sigillo officer acts --format json` gives them");
  command->callback([request, &context] { audit_verify(*request, context); });
}

}  // namespace

void add_audit(CLI::App& app, Context& context) {
  auto* audit =
      app.add_subcommand("audit", "The ledger: export it, check an export offline, let its past go.");
  audit->require_subcommand(1);
  add_export(*audit, context);
  add_verify(*audit, context);
  add_audit_prune(*audit, context);
}

Exit exit_of(appliance::ExportVerdict verdict) {
  using appliance::ExportVerdict;
  switch (verdict) {
    case ExportVerdict::intact:
      return Exit::good;
    case ExportVerdict::altered:
      return Exit::altered;
    case ExportVerdict::gap:
      return Exit::gap;
    case ExportVerdict::cut_tail:
      return Exit::cut_tail;
    case ExportVerdict::unknown_key:
      return Exit::unknown_key;
    case ExportVerdict::act_refused:
      return Exit::act_refused;
    case ExportVerdict::unreadable:
      return Exit::local;
  }
  std::abort();
}

}  // namespace sigillo::provisioning
