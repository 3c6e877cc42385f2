#include <provisioning/admin.hpp>

#include <cstdio>
#include <filesystem>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>

#include "admin_client.hpp"
#include "signing.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;
using appliance::ActionFailure;
using appliance::SignedAct;

constexpr base::Duration kAtOnce = base::hours(1);
constexpr base::Duration kByTurns = base::days(3);  // until both officers have signed a file

void fail(Context& context, const ActionFailure& failure) {
  const bool remote = failure.code == "sealed" || failure.code == "held" ||
                      failure.code == "hsm-unavailable" || failure.code == "token-pin-refused" ||
                      failure.code == "connection";
  context.failed(remote ? Exit::remote_or_sealed : Exit::local, failure.what, failure.next);
}

// One line that is written over on a terminal; elsewhere a line for each new thing that is done.
class Shown {
 public:
  ~Shown() {
    if (open_) std::fputc('\n', stderr);
  }
  void operator()(std::uint64_t done, std::uint64_t total, std::string_view text) {
    const std::string what(text);
    if (::isatty(STDERR_FILENO) == 1) {
      std::fprintf(stderr, "\r%s: %llu of %llu ", what.c_str(), static_cast<unsigned long long>(done),
                   static_cast<unsigned long long>(total));
      open_ = true;
    } else if (what != last_) {
      std::fprintf(stderr, "%s\n", what.c_str());
      last_ = what;
    }
    std::fflush(stderr);
  }

 private:
  bool open_ = false;
  std::string last_;
};

std::variant<SignedAct, ActionFailure> new_act(Reach& appliance, const AdminAsk& ask, base::Duration life) {
  auto status = appliance.ask({"status", {}, {}, {}}, [](std::uint64_t, std::uint64_t, std::string_view) {});
  if (auto* failure = std::get_if<ActionFailure>(&status)) return std::move(*failure);
  const auto* id = std::get<json::object>(status).if_contains("appliance");
  if (id == nullptr || !id->is_string())
    return ActionFailure{"sealed", "The appliance is sealed: it does not know its officers.",
                         "Unseal it (`sigillo unseal`), and run the same command again."};
  const auto now = base::SystemClock().now();
  return SignedAct{appliance::act_text({std::string(id->get_string()), ask.action, ask.parameters,
                                        appliance::random_nonce(), now, now + life}),
                   {}};
}

// The act in --act FILE: made and written where there is none, else the one that is there.
std::variant<SignedAct, ActionFailure> act_by_turns(const AdminOptions& options, Reach& appliance,
                                                    const AdminAsk& ask) {
  std::error_code ignored;
  if (!std::filesystem::exists(options.act_file, ignored)) return new_act(appliance, ask, kByTurns);
  auto read = read_act_file(options.act_file);
  if (auto* failure = std::get_if<ActionFailure>(&read)) return std::move(*failure);
  const auto act = appliance::parse_act(std::get<SignedAct>(read).text);
  if (act->action != ask.action || json::serialize(act->parameters) != json::serialize(ask.parameters))
    return ActionFailure{"invalid", "The act in " + options.act_file + " is another one than this command's.",
                         "Nothing was changed. Name another file, or give the command as the act says it."};
  return read;
}

// The act with its signatures; nothing where it waits in its file for the next one, or failed.
std::optional<SignedAct> signed_act(const AdminOptions& options, Context& context, Reach& appliance,
                                    const AdminAsk& ask, unsigned officers) {
  const bool by_turns = !options.act_file.empty();
  auto made = by_turns ? act_by_turns(options, appliance, ask) : new_act(appliance, ask, kAtOnce);
  if (const auto* failure = std::get_if<ActionFailure>(&made)) {
    fail(context, *failure);
    return std::nullopt;
  }
  auto& act = std::get<SignedAct>(made);
  if (const auto failure = sign_by(options, act)) {
    fail(context, *failure);
    return std::nullopt;
  }
  if (act.signatures.size() >= officers || !by_turns) return std::move(act);
  if (const auto failure = write_act_file(options.act_file, act)) {
    fail(context, *failure);
    return std::nullopt;
  }
  context.result("sigillo.act-file/1",
                 {{"file", options.act_file}, {"signatures", act.signatures.size()}, {"needed", officers}},
                 "The act is in " + options.act_file + ", signed by " +
                     std::to_string(act.signatures.size()) + " of " + std::to_string(officers) +
                     ".\nNext: sigillo officer sign " + options.act_file +
                     " --officer NAME=KEYFILE, and then this command again.");
  return std::nullopt;
}

}  // namespace

void add_admin_options(CLI::App& command, AdminOptions& options, unsigned officers) {
  command.add_option("--config", options.config, "the appliance's configuration file")->required();
  if (officers == 0) return;
  command
      .add_option("--officer", options.officers,
                  "NAME=KEYFILE of an officer who signs" + std::string(officers > 1 ? "; given twice" : ""))
      ->type_name("NAME=FILE");
  command
      .add_option("--password-file", options.password_files,
                  "password of each key, in the same order; else it is asked for")
      ->type_name("FILE");
  command.add_option("--act", options.act_file,
                     "sign by turns: the act is written to this file, or taken from it");
}

std::optional<json::object> perform(const AdminOptions& options, Context& context, AdminAsk ask) {
  const auto loaded = appliance::load_config(options.config);
  if (const auto* error = std::get_if<appliance::ConfigError>(&loaded)) {
    context.failed(Exit::local, error->message, "Correct the file, or name another with --config.");
    return std::nullopt;
  }
  auto found = reach(std::get<appliance::Config>(loaded), ask.running_only);
  if (const auto* failure = std::get_if<ActionFailure>(&found)) {
    fail(context, *failure);
    return std::nullopt;
  }
  auto& appliance = *std::get<std::unique_ptr<Reach>>(found);
  appliance::AdminRequest request{ask.action, ask.parameters, {}, std::move(ask.secret)};
  if (const auto officers = appliance::officers_needed(ask.action).value_or(0); officers > 0) {
    request.act = signed_act(options, context, appliance, ask, officers);
    if (!request.act) return std::nullopt;
  }
  Shown shown;
  auto outcome = appliance.ask(std::move(request), std::ref(shown));
  if (const auto* failure = std::get_if<ActionFailure>(&outcome)) {
    fail(context, *failure);
    return std::nullopt;
  }
  return std::get<json::object>(std::move(outcome));
}

}  // namespace sigillo::provisioning
