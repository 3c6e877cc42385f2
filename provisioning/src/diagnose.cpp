// sigillo diagnose: everything that an appliance stands on, looked at and left alone.
#include "diagnose.hpp"

#include <algorithm>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>

#include <provisioning/command.hpp>

namespace sigillo::provisioning {
namespace {

constexpr const char* kHelp =
    "Looks at everything that the appliance of a configuration stands on: files and who may read them, "
    "limits, disk, the\n"
    "module and its token, keys and their attributes, mechanisms, certificates, the store against the HSM's "
    "anchor, the clock,\n"
    "and whether the server answers. Each line is good, a warning or a failure, the last two with advice. It "
    "changes nothing and\n"
    "may run beside a serving appliance. Run it as the user of the service: what others may read is the "
    "question.";
constexpr const char* kFooter =
    "Examples:\n"
    "  sudo -u sigillo sigillo diagnose --config /etc/sigillo/sigillo.toml\n"
    "  sigillo diagnose --config /etc/sigillo/sigillo.toml --format json\n\n"
    "Exit codes: 0 nothing failed (there may be warnings); 1 something failed; 2 the HSM or its token did "
    "not serve.";

std::string_view word(Level level) {
  switch (level) {
    case Level::good:
      return "good";
    case Level::warning:
      return "warning";
    case Level::failure:
      return "failure";
  }
  return "";
}

std::string in_words(const Findings& findings) {
  std::string out, area;
  for (const auto& one : findings.all()) {
    if (one.area != area) out += (area.empty() ? "" : "\n") + (area = one.area) + '\n';
    std::string mark(word(one.level));
    mark.resize(9, ' ');
    out += "  " + mark + one.what + '\n';
    if (!one.advice.empty()) out += "           -> " + one.advice + '\n';
  }
  return out + '\n' + std::to_string(findings.count(Level::good)) + " good, " +
         std::to_string(findings.count(Level::warning)) + " warnings, " +
         std::to_string(findings.count(Level::failure)) + " failures.";
}

boost::json::object in_json(const Findings& findings) {
  boost::json::array list;
  for (const auto& one : findings.all()) {
    list.push_back(
        {{"level", word(one.level)}, {"area", one.area}, {"what", one.what}, {"advice", one.advice}});
  }
  boost::json::object out;
  for (const Level level : {Level::good, Level::warning, Level::failure})
    out[word(level)] = findings.count(level);
  out["findings"] = std::move(list);
  return out;
}

void run(const std::string& file, Context& context) {
  const auto loaded = appliance::load_config(file);
  if (const auto* error = std::get_if<appliance::ConfigError>(&loaded))
    return context.failed(Exit::local, error->message, "Correct the file, or name another with --config.");
  const auto& config = std::get<appliance::Config>(loaded);
  Findings findings;
  findings.in("Configuration");
  findings.good(config.file + ", profile " + config.profile);
  if (config.allow_weak_policy)
    findings.warning("it is a development appliance: any policy is taken, quotas may be off",
                     "Never in production: take dev.allow_weak_policy out.");
  diagnose_user(config, findings);
  diagnose_files(config, findings);
  diagnose_limits(findings);
  diagnose_disk(config, findings);
  const auto token = diagnose_token(config, findings);
  if (token) diagnose_keys(*token, findings);
  diagnose_certificates(config, token.get(), findings);
  if (token) diagnose_store(config, *token, findings);
  diagnose_server(config, findings);
  context.result("sigillo.diagnose/1", in_json(findings), in_words(findings));
  if (findings.count(Level::failure) > 0) context.exit = token ? Exit::local : Exit::remote_or_sealed;
}

}  // namespace

std::size_t Findings::count(Level level) const {
  return static_cast<std::size_t>(std::ranges::count(all_, level, &Finding::level));
}

void add_diagnose(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("diagnose", kHelp)->footer(kFooter);
  const auto file = std::make_shared<std::string>();
  command->add_option("--config", *file, "the appliance's configuration file")->required();
  command->callback([file, &context] { run(*file, context); });
}

}  // namespace sigillo::provisioning
