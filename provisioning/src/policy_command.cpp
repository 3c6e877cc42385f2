// sigillo policy: what the configuration changes in the policy that was accepted, and accepting it.
#include <memory>

#include <CLI/CLI.hpp>

#include <provisioning/admin.hpp>

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;

constexpr const char* kFooter =
    "A configuration that tightens the policy goes through, and the ledger says so. One that loosens it "
    "holds "
    "the\n"
    "appliance back (`sigillo status`: held, policy-loosened) until two officers accept it.\n\n"
    "Examples:\n"
    "  sigillo policy show --config /etc/sigillo/sigillo.toml\n"
    "  sigillo policy accept --config /etc/sigillo/sigillo.toml \\\n"
    "      --officer anna=/media/anna/anna.key --officer bruno=/media/bruno/bruno.key\n\n"
    "Exit codes: 0 done; 1 refused, and nothing is changed; 2 the appliance is sealed, or the HSM did not "
    "serve.";

std::string in_words(const json::object& shown) {
  std::string out = "profile " + std::string(shown.at("profile").as_string()) + ", policy " +
                    std::string(shown.at("policy").as_string());
  const auto& changes = shown.at("changes").as_array();
  if (changes.empty()) return out + "\nIt is the one that was accepted.";
  for (const auto& one : changes) {
    const auto& change = one.as_object();
    const auto text = [&change](const char* name) { return std::string(change.at(name).as_string()); };
    out += "\n  " + text("key") + ": accepted " + text("accepted") + ", configured " + text("configured") +
           (change.at("loosened").as_bool() ? "  LOOSENED" : "  tightened");
  }
  return out;
}

void run_show(const AdminOptions& options, Context& context) {
  auto shown = perform(options, context, {.action = "policy.show"});
  if (!shown) return;
  const auto words = in_words(*shown);
  context.result("sigillo.policy-show/1", std::move(*shown), words);
}

void run_accept(const AdminOptions& options, Context& context) {
  const auto of_shown = [&context](const json::object& shown) -> std::optional<json::object> {
    if (!context.json) std::fprintf(stderr, "%s\n", in_words(shown).c_str());  // before anybody signs it
    return json::object{{"policy", shown.at("policy")}};
  };
  auto accepted = perform(options, context,
                          {.action = "policy.accept", .first = "policy.show", .parameters_of = of_shown});
  if (accepted) context.result("sigillo.policy-accept/1", std::move(*accepted), "The policy is accepted.");
}

}  // namespace

void add_policy(CLI::App& app, Context& context) {
  auto* policy = app.add_subcommand("policy", "The policy in force: show it, accept a loosened one.");
  policy->require_subcommand(1);
  policy->footer(kFooter);
  const struct {
    const char* name;
    const char* help;
    unsigned officers;
    void (*run)(const AdminOptions&, Context&);
  } kCommands[] = {
      {"show", "Says what the configuration changes in the policy that was accepted.", 0, run_show},
      {"accept", "Accepts the configured policy. Takes two officers.", 2, run_accept}};
  for (const auto& [name, help, officers, run] : kCommands) {
    auto* command = policy->add_subcommand(name, help)->footer(kFooter);
    const auto options = std::make_shared<AdminOptions>();
    add_admin_options(*command, *options, officers);
    command->callback([options, &context, run = run] { run(*options, context); });
  }
}

}  // namespace sigillo::provisioning
