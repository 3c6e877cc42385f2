// sigillo hsm check: what the configured module can do, and how it differs, as a line for docs/HSM.md.
#include "hsm_command.hpp"

#include <cstdio>
#include <ctime>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>

#include <appliance/assembly.hpp>
#include <hsm/profile.hpp>

#include "admin_client.hpp"

namespace sigillo::provisioning {
namespace {

constexpr const char* kCheckHelp =
    "Tries the configured module out: known answers on every mechanism that the appliance needs, which "
    "others there are,\n"
    "and how the module differs from others. It makes session keys and data objects of its own, takes them "
    "away again, and\n"
    "touches nothing else, so it may run beside a serving appliance. The last line is for the table in "
    "docs/HSM.md.";
constexpr const char* kCheckFooter =
    "Examples:\n"
    "  sigillo hsm check --config /etc/sigillo/sigillo.toml\n"
    "  sigillo hsm check --config /etc/sigillo/sigillo.toml --format json\n\n"
    "Exit codes: 0 the module does what is needed; 1 local error; 2 it did not serve, or something needed is "
    "missing.";
constexpr const char* kSpeedHelp =
    "Measures the configured module with 1, 2, 4 ... threads: HMAC, ECDSA, random, and a data object made "
    "and the old one\n"
    "destroyed, which is what each group commit costs. It uses the keys of a ceremony without changing them. "
    "A serving\n"
    "appliance on the same token is slowed down meanwhile.";
constexpr const char* kSpeedFooter =
    "Examples:\n"
    "  sigillo hsm speed --config /etc/sigillo/sigillo.toml\n"
    "  sigillo hsm speed --config /etc/sigillo/sigillo.toml --seconds 5 --threads 32 --format json\n\n"
    "Exit codes: 0 measured; 1 local error; 2 the module did not serve, or has no keys yet.";

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[16];
  std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return text;
}

struct Checked {
  hsm::ModuleReport report;
  std::optional<base::Error> self_test;  // what did not hold
  std::string profile;

  std::vector<std::string> missing() const {
    std::vector<std::string> out;
    for (const auto& one : report.mechanisms) {
      if (one.needed && !one.there) out.push_back(one.name);
    }
    return out;
  }
  bool good() const { return !self_test && missing().empty(); }
  // One row of the compatibility table.
  std::string line() const {
    std::string lacks;
    for (const auto& one : report.mechanisms) {
      if (!one.there) lacks += (lacks.empty() ? "" : ", ") + one.name.substr(4);
    }
    const auto& id = report.identity;
    return "| " + today() + " | " + id.manufacturer + ' ' + id.model + " | " + id.library + ' ' +
           id.library_version + " | " + profile + " | " + (good() ? "good" : "NOT good") + " | " +
           (lacks.empty() ? "nothing" : lacks) + " |";
  }
};

std::string in_words(const Checked& checked) {
  const auto& id = checked.report.identity;
  std::string out = "Module  " + id.library + ' ' + id.library_version + "\nToken   " + id.label + " (" +
                    id.manufacturer + ' ' + id.model + ", serial " + id.serial + ")\nProfile " +
                    checked.profile + "\n\nMechanisms\n";
  for (const auto& one : checked.report.mechanisms) {
    char line[128];
    std::snprintf(line, sizeof line, "  %-28s %-8s %s\n", one.name.c_str(), one.there ? "yes" : "no",
                  one.needed ? (one.there ? "needed" : "NEEDED: the appliance cannot serve") : "");
    out += line;
  }
  out += "\nKnown answers\n  ";
  out += checked.self_test ? "FAILED: " + sentence(*checked.self_test) : std::string("all given");
  out += "\n\nHow it differs\n";
  for (const auto& one : checked.report.quirks) out += "  " + one.what + ": " + one.found + '\n';
  return out + "\nFor docs/HSM.md:\n" + checked.line();
}

boost::json::object in_json(const Checked& checked) {
  boost::json::array mechanisms, quirks;
  for (const auto& one : checked.report.mechanisms) {
    mechanisms.push_back({{"name", one.name},
                          {"needed", one.needed},
                          {"there", one.there},
                          {"key_min", one.key_min},
                          {"key_max", one.key_max}});
  }
  for (const auto& one : checked.report.quirks) quirks.push_back({{"what", one.what}, {"found", one.found}});
  const auto& id = checked.report.identity;
  boost::json::object out{{"good", checked.good()},
                          {"date", today()},
                          {"library", id.library},
                          {"library_version", id.library_version},
                          {"manufacturer", id.manufacturer},
                          {"model", id.model},
                          {"serial", id.serial},
                          {"label", id.label},
                          {"firmware", id.firmware},
                          {"profile", checked.profile}};
  out["mechanisms"] = std::move(mechanisms);
  out["quirks"] = std::move(quirks);
  out["self_test"] =
      checked.self_test ? boost::json::value(sentence(*checked.self_test)) : boost::json::value(nullptr);
  out["line"] = checked.line();
  return out;
}

void check(const std::string& config, Context& context) {
  auto opened = open_hsm(config, context);
  if (!opened) return;
  auto report = opened->token->probe();
  if (!report)
    return context.failed(Exit::remote_or_sealed,
                          "The module did not answer: " + sentence(report.error()) + '.',
                          "Nothing was changed. `sigillo diagnose` says more.");
  Checked checked{std::move(*report), std::nullopt, {}};
  const auto* const named = hsm::find_profile(opened->config.hsm.profile);
  checked.profile = named != nullptr ? named->name : hsm::profile_of_module(opened->config.hsm.module).name;
  const auto tested = opened->token->self_test();
  if (!tested) checked.self_test = tested.error();
  context.result("sigillo.hsm-check/1", in_json(checked), in_words(checked));
  if (!checked.good()) context.exit = Exit::remote_or_sealed;
}

}  // namespace

std::optional<OpenedHsm> open_hsm(const std::string& config, Context& context) {
  auto loaded = appliance::load_config(config);
  if (const auto* error = std::get_if<appliance::ConfigError>(&loaded)) {
    context.failed(Exit::local, error->message, "Correct the file, or name another with --config.");
    return {};
  }
  OpenedHsm out{std::get<appliance::Config>(std::move(loaded)), nullptr, nullptr};
  auto token = open_with_pin(out.config);
  if (!token) {
    context.failed(Exit::remote_or_sealed,
                   "The token of " + out.config.file + " was not opened: " + sentence(token.error()) + '.',
                   "Nothing was changed. `sigillo diagnose --config " + out.config.file + "` says more.");
    return {};
  }
  out.owner = std::move(*token);
  out.token = dynamic_cast<hsm::Pkcs11Token*>(out.owner.get());
  return out;
}

void add_hsm(CLI::App& app, Context& context) {
  auto* hsm = app.add_subcommand("hsm", "The configured HSM: what it can do, and how fast.");
  hsm->require_subcommand(1);
  auto* checking = hsm->add_subcommand("check", kCheckHelp)->footer(kCheckFooter);
  const auto config = std::make_shared<std::string>();
  checking->add_option("--config", *config, "the appliance's configuration file")->required();
  checking->callback([config, &context] { check(*config, context); });

  auto* speeding = hsm->add_subcommand("speed", kSpeedHelp)->footer(kSpeedFooter);
  const auto request = std::make_shared<SpeedRequest>();
  speeding->add_option("--config", request->config, "the appliance's configuration file")->required();
  speeding->add_option("--seconds", request->seconds, "for each figure, 0.1 to 60")
      ->check(CLI::Range(0.1, 60.0))
      ->capture_default_str();
  speeding->add_option("--threads", request->threads, "at most, 1 to 256; else by the profile")
      ->check(CLI::Range(1U, 256U));
  speeding->callback([request, &context] { hsm_speed(*request, context); });
}

}  // namespace sigillo::provisioning
