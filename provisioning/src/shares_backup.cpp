// sigillo shares renew-backup: the key of the backup, split once more for other people or another number of
// them. What the backup is wrapped under stays, so no file and no token is changed: a run that ends in the
// middle leaves every share of before as good as it was.
#include <memory>

#include <CLI/CLI.hpp>

#include <appliance/config.hpp>
#include <appliance/key_backup.hpp>
#include <base/bytes.hpp>
#include <base/crypto.hpp>

#include "files.hpp"
#include "share_desk.hpp"
#include "shares.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;

constexpr std::size_t kBackupMax = 1024 * 1024;

constexpr const char* kHelp =
    "Gives new backup shares, to the same custodians or to others: as many as open the backup type theirs, "
    "and\n"
    "each new custodian gets one and proves the paper. The key that the backup is wrapped under stays, so "
    "the old\n"
    "papers open it until fewer are left than that takes: destroy them. At a terminal; the appliance may "
    "run.\n"
    "docs/CEREMONY.md, New backup shares.";
constexpr const char* kFooter =
    "Example:\n"
    "  sigillo shares renew-backup --config C --backup keys.json --threshold 2 \\\n"
    "      --custodian \"Giulia Bianchi\" --custodian \"Luca Ferrari\" --custodian \"Marta Riva\"\n\n"
    "Exit codes: 0 every custodian has a share; 1 not, and those of before are as good as they were.";
constexpr const char* kAsBefore =
    "The shares of before are as good as they were. Correct that, and run the same command again.";

struct Arguments {
  std::string config, backup;
  unsigned threshold = 0;
  std::vector<std::string> custodians;
};

// Attack, and slip: (1) bring shares that fit together and open another backup, (2) have the papers that are
// good destroyed for those of it. What was typed opens this one, or nothing is split.
base::Result<void> prove(const std::string& file, const base::Secret& combined) {
  SIGILLO_TRY(const auto text, read_small_file(file, kBackupMax));
  SIGILLO_TRY(const auto backup, appliance::parse_backup(text, base::wrapping_key_of(combined)));
  static_cast<void>(backup);
  return base::ok();
}

void report(const Arguments& arguments, const base::ShareSet& of, const base::ShareSet& former,
            Context& context) {
  json::array holders;
  std::string words = "Every custodian has a share of set " + of.set + ", any " +
                      std::to_string(of.threshold) + " of " + std::to_string(of.count) + ":";
  for (std::size_t i = 0; i < arguments.custodians.size(); ++i) {
    holders.push_back({{"share", i + 1}, {"custodian", arguments.custodians[i]}});
    words += "\n  " + std::to_string(i + 1) + "  " + arguments.custodians[i];
  }
  words += "\nDestroy the papers of set " + former.set + " now, before witnesses: there were " +
           std::to_string(former.count) + ", and they open the same until fewer than " +
           std::to_string(former.threshold) +
           " are left.\nThe minutes say who has which share, and how many of set " + former.set +
           " are left.";
  context.result("sigillo.shares-renew-backup/1",
                 {{"appliance_mark", of.appliance},
                  {"set", of.set},
                  {"threshold", of.threshold},
                  {"count", of.count},
                  {"custodians", std::move(holders)},
                  {"former_set", former.set},
                  {"former_threshold", former.threshold},
                  {"former_count", former.count}},
                 words);
}

void renew(const Arguments& arguments, Context& context) {
  auto loaded = appliance::load_config(arguments.config);
  if (const auto* error = std::get_if<appliance::ConfigError>(&loaded))
    return context.failed(Exit::local, error->message, "Correct the file, or name another with --config.");
  const auto fail = [&context](const base::Error& error, const std::string& what) {
    context.failed(Exit::local, what + ": " + sentence(error) + '.', kAsBefore);
  };
  if (const auto why = refuse_custodians(arguments.threshold, arguments.custodians); !why.empty())
    return context.failed(Exit::local, why, "Nothing was asked. See --help for an example.");
  if (const auto there = read_small_file(arguments.backup, kBackupMax); !there)
    return fail(there.error(), arguments.backup);
  auto room = open_room();
  if (!room) return fail(room.error(), "Shares are given in a room");
  const auto unnoted = [](const char*, const std::string&, const json::object&) { return base::ok(); };
  ShareDesk desk(std::get<appliance::Config>(loaded).audit.issuer, **room, {}, unnoted);
  const auto typed = desk.gather(
      base::ShareKind::backup, "", 0,
      "The custodians of now give their backup shares, as many as open the backup, in any order.");
  if (!typed) return fail(typed.error(), "There were not the shares to go on with");
  if (const auto opened = prove(arguments.backup, typed->pin); !opened)
    return fail(opened.error(), "What was typed does not open " + arguments.backup);
  const auto& former = typed->of;
  const auto split = base::split_again(typed->pin, former, arguments.threshold,
                                       static_cast<unsigned>(arguments.custodians.size()));
  if (!split) return context.failed(Exit::local, "The key could not be split.", kAsBefore);
  (*room)->say(
      "They open " + arguments.backup +
      ". Each new custodian comes to the terminal alone, with paper and a pen; the others stand where "
      "they do not see it. A share is shown once.");
  const auto& of = split->shares.front().of;
  const auto given = desk.give(*split, arguments.custodians);
  if (!given)
    return context.failed(
        Exit::local,
        "Not every custodian has a share of set " + of.set + ": " + sentence(given.error()) + '.',
        "Tear up those of set " + of.set + " that were written: " + std::to_string(of.threshold) +
            " of them would open the backup. Set " + former.set + " is as good as it was. Begin anew.");
  report(arguments, of, former, context);
}

}  // namespace

void add_backup_shares(CLI::App& shares, Context& context) {
  auto* command = shares.add_subcommand("renew-backup", kHelp)->footer(kFooter);
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("--config", arguments->config, "the appliance's configuration")
      ->required()
      ->type_name("FILE");
  command->add_option("--backup", arguments->backup, "the ceremony's backup of the keys, or a later one")
      ->required()
      ->type_name("FILE");
  command->add_option("--threshold", arguments->threshold, "how many custodians open it together")
      ->required();
  command->add_option("--custodian", arguments->custodians, "who gets a new share; once for each, in order")
      ->required()
      ->expected(1)
      ->take_all()
      ->type_name("TEXT");
  command->callback([arguments, &context] { renew(*arguments, context); });
}

}  // namespace sigillo::provisioning
