#include <provisioning/admin.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json/value_to.hpp>

#include <appliance/officers.hpp>

#include "admin_client.hpp"
#include "signing.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;
using appliance::ActionFailure;
using appliance::SignedAct;

constexpr int kBarWidth = 40;
constexpr base::Duration kAtOnce = base::hours(1);
constexpr base::Duration kClocksAgree = base::minutes(5);
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
      const auto share = total == 0 ? 0 : std::min(done, total) * 100 / total;
      const std::string bar(share * kBarWidth / 100, '#');
      if (total == 0) {
        std::fprintf(stderr, "\r\033[K%s: %llu ", what.c_str(), static_cast<unsigned long long>(done));
      } else {
        std::fprintf(stderr, "\r\033[K%s  [%-*s] %3d %% ", what.c_str(), kBarWidth, bar.c_str(),
                     static_cast<int>(share));
      }
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

// The appliance's time and not this machine's alone: a clock that was ahead once, and was set right, is
// behind the ledger's last entry, by which the appliance judges what has expired. `known`: of an appliance
// that nobody can ask, for it is closed.
std::variant<SignedAct, ActionFailure> new_act(Reach& appliance, const AdminAsk& ask, std::string known,
                                               base::Duration life) {
  auto now = base::SystemClock().now();
  if (known.empty()) {
    auto status =
        appliance.ask({"status", {}, {}, {}}, [](std::uint64_t, std::uint64_t, std::string_view) {});
    if (auto* failure = std::get_if<ActionFailure>(&status)) return std::move(*failure);
    const auto* id = std::get<json::object>(status).if_contains("appliance");
    if (id == nullptr || !id->is_string())
      return ActionFailure{"sealed", "The appliance is sealed: it does not know its officers.",
                           "Unseal it (`sigillo unseal`), and run the same command again."};
    known = id->get_string();
    const auto* time = std::get<json::object>(status).if_contains("time");
    const auto its =
        time != nullptr && time->is_string() ? base::parse_rfc3339(time->get_string()) : std::nullopt;
    if (its && *its > now + kClocksAgree) {
      std::fprintf(stderr,
                   "This machine's clock says %s, the appliance %s: the act is dated by the appliance.\n",
                   base::to_rfc3339(now).c_str(), base::to_rfc3339(*its).c_str());
      now = *its;
    }
  }
  return SignedAct{appliance::act_text({std::move(known), ask.action, ask.parameters,
                                        appliance::random_nonce(), now, now + life}),
                   {}};
}

// What is there before anything happens: whose keys are open, and an act that another began.
struct Prepared {
  Signers signers;
  std::optional<SignedAct> act;
};

ActionFailure another_act(const std::string& file) {
  return {"invalid", "The act in " + file + " is another one than this command's.",
          "Nothing was changed. Name another file, or give the command as the act says it."};
}

// The act in --act FILE, where it is there: this command's, and still good.
std::optional<ActionFailure> read_begun(const std::string& file, const AdminAsk& ask, Prepared& out) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) {
    const auto folder = std::filesystem::absolute(file, ignored).parent_path();
    if (::access(folder.c_str(), W_OK | X_OK) == 0) return std::nullopt;
    return ActionFailure{"invalid",
                         "The act cannot be written to " + file + ": no folder that you may write.",
                         "Nothing was changed. Name another file."};
  }
  auto read = read_act_file(file);
  if (auto* failure = std::get_if<ActionFailure>(&read)) return std::move(*failure);
  const auto act = appliance::parse_act(std::get<SignedAct>(read).text);
  if (act->action != ask.action) return another_act(file);
  if (act->expires <= base::SystemClock().now())
    return ActionFailure{"invalid",
                         "The act in " + file + " has expired, at " + base::to_rfc3339(act->expires) + '.',
                         "Nothing was changed. Begin anew, with another file."};
  out.act = std::get<SignedAct>(std::move(read));
  return std::nullopt;
}

std::variant<Prepared, ActionFailure> prepare(const AdminOptions& options, const AdminAsk& ask,
                                              unsigned officers) {
  Prepared out;
  const bool by_turns = !options.act_file.empty();
  if (by_turns) {
    if (auto failure = read_begun(options.act_file, ask, out)) return std::move(*failure);
  }
  const std::size_t before = out.act ? out.act->signatures.size() : 0;
  if (!by_turns && options.officers.size() < officers)
    return ActionFailure{
        "invalid",
        "The act is refused: " + std::string(sentence(appliance::ActRefusal::too_few_signatures)) + " (" +
            std::to_string(options.officers.size()) + " of " + std::to_string(officers) + ").",
        "Nothing was changed. Say --officer for each, or --act FILE to sign by turns."};
  if (by_turns && before + options.officers.size() == 0)
    return ActionFailure{"invalid", "Nobody signs the act that would be written to " + options.act_file + '.',
                         "Nothing was changed. Say --officer NAME=KEYFILE."};
  auto signers = open_signers(options);
  if (auto* failure = std::get_if<ActionFailure>(&signers)) return std::move(*failure);
  out.signers = std::get<Signers>(std::move(signers));
  return out;
}

// The act with its signatures; nothing where it waits in its file for the next one, or failed.
std::optional<SignedAct> signed_act(const AdminOptions& options, Context& context, Reach& appliance,
                                    const AdminAsk& ask, const std::string& known, unsigned officers,
                                    Prepared prepared) {
  const bool by_turns = !options.act_file.empty();
  if (!prepared.act) {
    auto made = new_act(appliance, ask, known, by_turns ? kByTurns : kAtOnce);
    if (const auto* failure = std::get_if<ActionFailure>(&made)) {
      fail(context, *failure);
      return std::nullopt;
    }
    prepared.act = std::get<SignedAct>(std::move(made));
  }
  auto& act = *prepared.act;
  if (by_turns && appliance::parse_act(act.text)->parameters != ask.parameters) {
    fail(context, another_act(options.act_file));
    return std::nullopt;
  }
  if (const auto failure = sign_by(prepared.signers, act)) {
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
  add_signing_options(command, options, false);
  command.add_option("--act", options.act_file,
                     "sign by turns: the act is written to this file, or taken from it");
}

void add_signing_options(CLI::App& command, AdminOptions& options, bool required) {
  command
      .add_option("--officer", options.officers,
                  "who signs, and the file of the key or the PKCS#11 URI of one in a token; once for each")
      ->required(required)
      ->type_name("NAME=KEY");
  command
      .add_option("--password-file", options.password_files,
                  "passwords of the keys in files, in their order; else they are asked for")
      ->type_name("FILE");
  command.add_option("--module", options.module, "PKCS#11 module of the tokens whose URI names none")
      ->type_name("FILE");
}

std::optional<appliance::Config> configuration(const AdminOptions& options, Context& context) {
  auto loaded = appliance::load_config(options.config);
  if (const auto* error = std::get_if<appliance::ConfigError>(&loaded)) {
    context.failed(Exit::local, error->message, "Correct the file, or name another with --config.");
    return std::nullopt;
  }
  return std::get<appliance::Config>(std::move(loaded));
}

std::optional<json::object> perform(const AdminOptions& options, Context& context, AdminAsk ask) {
  const auto config = configuration(options, context);
  if (!config) return std::nullopt;
  const auto stopped = [&context](const ActionFailure& failure) {
    fail(context, failure);
    return std::nullopt;
  };
  const unsigned officers = appliance::officers_needed(ask.action).value_or(0);
  std::variant<Prepared, ActionFailure> prepared;
  if (officers > 0) prepared = prepare(options, ask, officers);
  if (const auto* failure = std::get_if<ActionFailure>(&prepared)) return stopped(*failure);
  const auto make_parameters = [&ask](const json::object& said) {
    auto made = ask.parameters_of(said);
    if (made) ask.parameters = std::move(*made);
    return made.has_value();
  };
  if (ask.parameters_of && ask.first.empty() && !make_parameters({})) return std::nullopt;
  auto found = reach(*config, ask.closed         ? Wanted::stopped
                              : ask.running_only ? Wanted::running
                                                 : Wanted::anywhere);
  if (const auto* failure = std::get_if<ActionFailure>(&found)) return stopped(*failure);
  auto& appliance = *std::get<std::unique_ptr<Reach>>(found);
  if (ask.closed) {
    auto pin = token_pin(*config);
    if (!pin)
      return stopped({"invalid", "The token's PIN: " + sentence(pin.error()) + '.', "Nothing was changed."});
    ask.secret = std::move(*pin);
  }
  Shown shown;
  std::string known;
  if (!ask.first.empty()) {
    auto said =
        appliance.ask({ask.first, ask.first_parameters, {}, ask.closed ? ask.secret.clone() : base::Secret()},
                      std::ref(shown));
    if (const auto* failure = std::get_if<ActionFailure>(&said)) return stopped(*failure);
    if (ask.closed) known = json::value_to<std::string>(std::get<json::object>(said).at("appliance"));
    if (!make_parameters(std::get<json::object>(said))) return std::nullopt;
  }
  appliance::AdminRequest request{ask.action, ask.parameters, {}, std::move(ask.secret)};
  if (officers > 0) {
    request.act = signed_act(options, context, appliance, ask, known, officers,
                             std::get<Prepared>(std::move(prepared)));
    if (!request.act) return std::nullopt;
  }
  auto outcome = appliance.ask(std::move(request), std::ref(shown));
  if (const auto* failure = std::get_if<ActionFailure>(&outcome)) return stopped(*failure);
  return std::get<json::object>(std::move(outcome));
}

}  // namespace sigillo::provisioning
