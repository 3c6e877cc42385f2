// sigillo ceremony: the words around holding one, rehearsing it, and checking its transcript.
#include <cstdio>
#include <memory>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <appliance/ledger_export.hpp>

#include "ceremony.hpp"
#include "files.hpp"
#include "founding.hpp"

namespace sigillo::provisioning {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kTranscriptMax = 4 * 1024 * 1024, kKeysMax = 64 * 1024;

constexpr const char* kHelp =
    "Holds a key ceremony, at a terminal, by the plan in a file: it prepares two tokens, makes all keys, "
    "backs them\n"
    "up and proves the backup, gives the custodians their shares, enrols the officers, makes the CA and the "
    "server's\n"
    "certificate, founds the store, and writes a signed transcript. It can be interrupted anywhere: the same "
    "command\n"
    "goes on where it was. docs/CEREMONY.md is the script of the day.";
constexpr const char* kFooter =
    "Examples:\n"
    "  sigillo ceremony --example-plan > plan.toml      a plan to begin from\n"
    "  sigillo ceremony --dry-run --plan plan.toml      the whole procedure, and nothing is touched\n"
    "  sigillo ceremony --plan plan.toml                holds it, or goes on with it\n"
    "  sigillo ceremony verify transcript.jsonl --keys ledger-key.jwks\n\n"
    "Exit codes: 0 complete; 1 not, and the same command goes on (plan, terminal, people, machine).\n"
    "No secret is an argument, in the environment, in the plan or in a file that is left in clear.";
constexpr const char* kVerifyHelp =
    "Checks a transcript offline: every line's hash, the signatures of the officers and of the HSM's ledger "
    "key;\n"
    "or the record of a renewal of shares, which the ledger's key alone has signed. It says which of them it "
    "is.\n"
    "Without --keys it is checked against the ledger key that it carries itself; with it, against keys from "
    "elsewhere.";
constexpr const char* kVerifyFooter =
    "Example:\n"
    "  sigillo ceremony verify transcript.jsonl --keys ledger-key.jwks\n\n"
    "Exit codes: 0 intact; 1 not readable; 10 altered (the line is named); 12 unfinished or cut short; 13 "
    "signed by\n"
    "another ledger key than those given.";

struct Arguments {
  std::string plan, transcript, keys;
  bool dry_run = false, example = false;
};

// Two of them in one folder would give away two sets of shares.
bool lock_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) == 0;  // held until the process ends
}

std::string refuse_folder(const CeremonyPlan& plan) {
  std::error_code error;
  const std::string folder = plan.folder.string();
  if (!fs::exists(plan.folder, error)) {
    fs::create_directories(plan.folder.parent_path(), error);
    const auto made = make_folder(plan.folder, 0700);
    if (!made) return folder + ": " + sentence(made.error());
  }
  if (!fs::is_directory(plan.folder, error)) return folder + " is not a folder";
  if (!fs::exists(plan.folder / "transcript.jsonl", error) && !fs::is_empty(plan.folder, error))
    return folder + " is not empty, and holds no ceremony that could be gone on with";
  if (!lock_folder(plan.folder)) return "another ceremony is being held in " + folder;
  return {};
}

void hold(const CeremonyPlan& plan, Context& context) {
  constexpr const char* kNext = "Nothing is lost: run the same command again, and it goes on where it was.";
  auto room = open_room();
  if (!room)
    return context.failed(Exit::local, std::string(room.error().detail()) + '.',
                          "Run it at a terminal; --dry-run needs none.");
  if (const auto refused = refuse_folder(plan); !refused.empty())
    return context.failed(Exit::local, refused + '.', "Name another folder in the plan.");
  auto transcript = Transcript::open(plan.folder / "transcript.jsonl");
  if (!transcript)
    return context.failed(
        Exit::local,
        (plan.folder / "transcript.jsonl").string() + ", line " + std::to_string(transcript.error().raw()) +
            ": " + transcript.error().detail() + '.',
        "Somebody changed it. Keep it, it is evidence; hold the ceremony anew in another folder.");
  if (plan.module.find("softhsm") != std::string::npos && plan.allow_test_module) {
    const auto made = make_software_token_folder(plan.folder);
    if (!made) return context.failed(Exit::local, sentence(made.error()) + '.', kNext);
  }
  const auto machine = real_machine(plan);
  const auto held = Ceremony(plan, **room, *machine, *transcript).hold();
  if (!held)
    return context.failed(Exit::local, "The ceremony is not complete: " + sentence(held.error()) + '.',
                          kNext);
  context.result(
      "sigillo.ceremony/1",
      {{"folder", plan.folder.string()}, {"transcript_digest", base::to_hex(transcript->signing_digest())}},
      "The ceremony of " + plan.appliance + " is complete.");
}

void run(const Arguments& arguments, Context& context) {
  if (arguments.example) {
    std::string plan = kExamplePlan;
    plan.pop_back();  // what is printed ends its line
    return context.result("sigillo.ceremony-plan/1", {{"plan", kExamplePlan}}, plan);
  }
  if (arguments.plan.empty() && !arguments.dry_run)
    return context.failed(Exit::local, "No plan was named.",
                          "Say --plan FILE; `sigillo ceremony --example-plan` prints one to begin from.");
  auto read = arguments.plan.empty() ? parse_plan(kExamplePlan, "example") : read_plan(arguments.plan);
  if (const auto* refused = std::get_if<std::string>(&read))
    return context.failed(Exit::local, *refused, "Nothing was touched. Correct the plan.");
  const auto& plan = std::get<CeremonyPlan>(read);
  if (!arguments.dry_run) return hold(plan, context);
  if (context.json)
    return context.failed(Exit::local, "A rehearsal is a script for people, and has no form as JSON.",
                          "Nothing was touched. Leave --format json out.");
  auto transcript = Transcript::rehearsed();
  const auto machine = rehearsal_machine(plan);
  const auto dialogue = rehearse();
  const auto held = Ceremony(plan, *dialogue, *machine, transcript).hold();
  if (!held) context.failed(Exit::local, sentence(held.error()) + '.', "This is a fault of the program.");
}

Exit exit_of(TranscriptVerdict verdict) {
  switch (verdict) {
    case TranscriptVerdict::intact:
      return Exit::good;
    case TranscriptVerdict::altered:
      return Exit::altered;
    case TranscriptVerdict::unfinished:
      return Exit::cut_tail;
    case TranscriptVerdict::unknown_key:
      return Exit::unknown_key;
    case TranscriptVerdict::unreadable:
      return Exit::local;
  }
  return Exit::local;
}

void verify(const Arguments& arguments, Context& context) {
  const auto text = read_small_file(arguments.transcript, kTranscriptMax);
  if (!text)
    return context.failed(Exit::local, arguments.transcript + ": " + sentence(text.error()) + '.',
                          "Name its file.");
  std::optional<std::vector<base::EcPublicKey>> trusted;
  if (!arguments.keys.empty()) {
    const auto keys = read_small_file(arguments.keys, kKeysMax);
    if (keys) trusted = appliance::parse_key_set(*keys);
    if (!trusted)
      return context.failed(Exit::local, arguments.keys + " is no set of keys.",
                            "Name the ceremony's ledger-key.jwks.");
  }
  const auto report = verify_transcript(*text, trusted);
  if (report.verdict != TranscriptVerdict::intact) {
    const std::string where = report.line == 0 ? "" : ", line " + std::to_string(report.line);
    return context.failed(
        exit_of(report.verdict),
        arguments.transcript + where + ": " + std::string(name(report.verdict)) + ": " + report.detail + '.',
        "Keep the file as it is: it is evidence. Compare the digest with the one in the minutes.");
  }
  boost::json::array signers;
  std::string words;
  for (const auto& signer : report.signers) {
    signers.emplace_back(signer);
    words += (words.empty() ? "" : ", ") + signer;
  }
  context.result("sigillo.ceremony-verify/1",
                 {{"kind", report.kind},
                  {"appliance", report.appliance},
                  {"lines", report.lines},
                  {"digest", report.digest},
                  {"signers", std::move(signers)},
                  {"own_keys", !trusted.has_value()}},
                 "Intact: " + std::to_string(report.lines) + " lines, " + report.kind + " of the appliance " +
                     report.appliance + ", signed by " + words +
                     (trusted ? "." : ", against the ledger key that it carries itself.") +
                     "\nDigest, to be compared with the minutes:\n  " + report.digest);
}

}  // namespace

void add_ceremony(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("ceremony", kHelp)->footer(kFooter);
  command->require_subcommand(0, 1);
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("--plan", arguments->plan, "the plan (TOML)")->type_name("FILE");
  command->add_flag("--dry-run", arguments->dry_run,
                    "print the whole procedure; without --plan of the example");
  command->add_flag("--example-plan", arguments->example, "print a plan to begin from");
  auto* check = command->add_subcommand("verify", kVerifyHelp)->footer(kVerifyFooter);
  check->add_option("TRANSCRIPT", arguments->transcript, "transcript.jsonl of a ceremony")->required();
  check->add_option("--keys", arguments->keys, "the ledger's key, from elsewhere (JWK set)")
      ->type_name("FILE");
  check->callback([arguments, &context] { verify(*arguments, context); });
  command->callback([arguments, command, &context] {
    if (command->get_subcommands().empty()) run(*arguments, context);
  });
}

}  // namespace sigillo::provisioning
