// sigillo shares renew: the words around new authorisation shares for a token that serves.
#include <memory>
#include <set>

#include <fcntl.h>
#include <sys/file.h>
#include <CLI/CLI.hpp>

#include <provisioning/command.hpp>

#include "admin_client.hpp"
#include "ceremony_plan.hpp"
#include "renewal.hpp"
#include "shares.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;

constexpr const char* kHelp = "What the custodians have on paper, given anew.";
constexpr const char* kFooter =
    "Examples:\n  sigillo shares renew --help\n  sigillo shares renew-backup --help";
constexpr const char* kRenewHelp =
    "Gives new authorisation shares, to the same custodians or to others: as many as open the appliance type "
    "their\n"
    "old shares, a new PIN is drawn, each new custodian gets a share of it and proves the paper, and then "
    "the "
    "PIN of\n"
    "the token and of the spare is changed (C_SetPIN). The old shares open nothing any more. No key, record "
    "or PIN of\n"
    "a citizen changes. At a terminal; the appliance is stopped when it is asked for. It can be interrupted "
    "anywhere:\n"
    "the same command goes on where it was. docs/CEREMONY.md, New authorisation shares.";
constexpr const char* kRenewFooter =
    "Examples:\n"
    "  sigillo shares renew --config C --spare SECOND --record renewal-2026.jsonl --threshold 2 \\\n"
    "      --custodian \"Giulia Bianchi\" --custodian \"Luca Ferrari\" --custodian \"Marta Riva\"\n"
    "  sigillo shares renew --config C --without-spare --record R ...   the spare keeps the old PIN\n"
    "  sigillo shares renew --config C --spare SECOND --record R ...    the same R later: it follows\n"
    "  sigillo ceremony verify renewal-2026.jsonl --keys ledger-key.jwks\n"
    "SECOND is the configuration of the spare token, a copy of C with its label as hsm.token_label.\n\n"
    "Exit codes: 0 done (with --without-spare: but for the spare); 1 not, and the same command goes on "
    "(arguments,\n"
    "terminal, people); 2 the HSM did not serve, or refused a PIN: the token has the old PIN or the new one, "
    "and the same "
    "command finds\n"
    "out which. No secret is an argument, in the environment or in a file.";

struct Arguments {
  std::string config, spare, record;
  bool without_spare = false, no_spare = false;
  unsigned threshold = 0;
  std::vector<std::string> custodians;
};

constexpr const char* kNothing = "Nothing was changed. Correct that, and run the same command again.";
constexpr const char* kPeople =
    "What was done holds. See to that, and run the same command again; with another --record it begins anew.";
constexpr const char* kNext = "Nothing is lost: run the same command again, and it goes on where it was.";

std::optional<appliance::Config> load(const std::string& file, Context& context) {
  auto loaded = appliance::load_config(file);
  if (const auto* error = std::get_if<appliance::ConfigError>(&loaded)) {
    context.failed(Exit::local, error->message, "Correct the file, or name another.");
    return std::nullopt;
  }
  auto config = std::get<appliance::Config>(std::move(loaded));
  if (config.hsm.pin_file.empty()) return config;
  // Its PIN would be one that nobody has shares of, and the file's be wrong from then on.
  context.failed(Exit::local,
                 file + ": the token opens with the PIN in " + config.hsm.pin_file + ", and not with shares.",
                 "Nothing was changed. Shares are of a ceremony's token, whose PIN is in no file.");
  return std::nullopt;
}

std::optional<RenewalPlan> plan_of(const Arguments& arguments, const appliance::Config& config,
                                   Context& context) {
  RenewalPlan plan{config.audit.issuer, arguments.threshold, arguments.custodians, config.hsm, {}, {}};
  if ((arguments.spare.empty() ? 0 : 1) + (arguments.without_spare ? 1 : 0) + (arguments.no_spare ? 1 : 0) !=
      1) {
    context.failed(
        Exit::local, "It was not said what is to become of the spare token, which has the same PIN.",
        "Say one of --spare SECOND, --without-spare (it follows later), --no-spare (there is none).");
    return std::nullopt;
  }
  if (const auto refused = refuse_custodians(arguments.threshold, arguments.custodians); !refused.empty()) {
    context.failed(Exit::local, refused, kNothing);
    return std::nullopt;
  }
  plan.spare = arguments.without_spare ? Spare::later : arguments.no_spare ? Spare::none : Spare::here;
  if (plan.spare != Spare::here) return plan;
  const auto second = load(arguments.spare, context);
  if (!second) return std::nullopt;
  plan.spare_token = second->hsm;
  if (plan.spare_token.token_label == plan.main.token_label &&
      plan.spare_token.token_serial == plan.main.token_serial) {
    context.failed(Exit::local, arguments.spare + " names the same token as " + arguments.config + ".",
                   kNothing);
    return std::nullopt;
  }
  return plan;
}

// Two of them would give away two sets of shares, and the PIN of the one would not be the other's. Before the
// record is read, for another may be in the middle of a line.
bool lock(const std::string& file, int flags) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | flags, 0644);
  return fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) == 0;  // held until the process ends
}

void report(const Renewal& renewal, const RenewalPlan& plan, const Transcript& transcript,
            const std::string& record, Context& context) {
  const bool behind = renewal.spare_is_behind();
  json::object out{{"appliance", plan.appliance},
                   {"set", renewal.new_set()},
                   {"threshold", plan.threshold},
                   {"count", plan.custodians.size()},
                   {"spare", behind                      ? "left-out"
                             : transcript.done("spare")  ? "renewed"
                             : transcript.begun("spare") ? "not-known"
                                                         : "none"},
                   {"record", record},
                   {"complete", !behind}};
  if (!behind) out["record_digest"] = base::to_hex(transcript.signing_digest());
  context.result("sigillo.shares-renew/1", std::move(out),
                 behind ? "The appliance " + plan.appliance +
                              " opens with the new shares. Its spare token still opens "
                              "with the old ones: keep both sets, and run the same command with --spare."
                        : "The authorisation shares of " + plan.appliance + " are renewed.");
}

void renew(const Arguments& arguments, Context& context) {
  const auto config = load(arguments.config, context);
  if (!config) return;
  const auto plan = plan_of(arguments, *config, context);
  if (!plan) return;
  auto room = open_room();
  if (!room)
    return context.failed(Exit::local, std::string(room.error().detail()) + '.', "Run it at a terminal.");
  if (!lock(arguments.record, O_CREAT) || !lock(arguments.config, 0))
    return context.failed(Exit::local,
                          "Another renewal is going on with " + arguments.record + " or " + arguments.config +
                              ", or one is no file.",
                          kNothing);
  auto transcript = Transcript::open(arguments.record);
  if (!transcript && transcript.error().is(Errc::transcript))
    return context.failed(Exit::local,
                          arguments.record + ", line " + std::to_string(transcript.error().raw()) + ": " +
                              transcript.error().detail() + '.',
                          "Somebody changed it. Keep it, it is evidence; begin another --record.");
  if (!transcript)
    return context.failed(Exit::local, arguments.record + ": " + sentence(transcript.error()) + '.',
                          kNothing);
  const auto running = [&]() -> std::optional<std::string> {
    auto reached = reach(*config, Wanted::stopped);
    if (auto* failure = std::get_if<appliance::ActionFailure>(&reached)) return std::move(failure->what);
    return std::nullopt;
  };
  Renewal renewal(*plan, **room, *transcript, running);
  const auto held = renewal.hold();
  if (!held)
    return context.failed(held.error().number() / 100 == 2 ? Exit::remote_or_sealed : Exit::local,
                          "The renewal is not complete: " + sentence(held.error()) + '.',
                          held.error().is(Errc::ceremony) ? kPeople : kNext);
  report(renewal, *plan, *transcript, arguments.record, context);
}

}  // namespace

std::string refuse_custodians(unsigned threshold, const std::vector<std::string>& custodians) {
  std::set<std::string> seen;
  for (const auto& name : custodians) {
    if (!is_name(name)) return "A custodian's name has 1 to 64 bytes, without blanks around it.";
    if (!seen.insert(name).second) return "\"" + name + "\" is named twice.";
  }
  if (threshold < 2 || threshold > custodians.size() || custodians.size() > base::kSharesMax)
    return "--threshold is from 2 to the number of custodians, who are at most " +
           std::to_string(base::kSharesMax) + ".";
  return {};
}

void add_shares(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("shares", kHelp)->footer(kFooter);
  command->require_subcommand(1);
  auto* renews = command->add_subcommand("renew", kRenewHelp)->footer(kRenewFooter);
  const auto arguments = std::make_shared<Arguments>();
  renews->add_option("--config", arguments->config, "the appliance's configuration")
      ->required()
      ->type_name("FILE");
  renews->add_option("--spare", arguments->spare, "the spare token's configuration")->type_name("FILE");
  renews->add_flag("--without-spare", arguments->without_spare,
                   "the spare is not at hand: it keeps the old PIN, and follows later");
  renews->add_flag("--no-spare", arguments->no_spare, "no other token has this PIN");
  renews
      ->add_option("--record", arguments->record, "what is done is written here, and gone on with from here")
      ->required()
      ->type_name("FILE");
  renews->add_option("--threshold", arguments->threshold, "how many custodians open it together")->required();
  renews->add_option("--custodian", arguments->custodians, "who gets a new share; once for each, in order")
      ->required()
      ->expected(1)
      ->take_all()
      ->type_name("TEXT");
  renews->callback([arguments, &context] { renew(*arguments, context); });
  add_backup_shares(*command, context);
}

}  // namespace sigillo::provisioning
