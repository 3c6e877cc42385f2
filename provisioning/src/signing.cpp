#include "signing.hpp"

#include <boost/json/serialize.hpp>

#include <provisioning/terminal.hpp>

#include "files.hpp"

namespace sigillo::provisioning {
namespace {

using appliance::ActionFailure;

constexpr const char* kUnchanged = "Nothing was signed, and nothing was changed.";

base::Result<base::Secret> password_of(const AdminOptions& options, std::size_t number,
                                       const std::string& officer) {
  if (number < options.password_files.size()) return read_secret_file(options.password_files[number]);
  return ask_secret("Password of the key of " + officer + ": ");
}

}  // namespace

std::optional<ActionFailure> sign_by(const AdminOptions& options, appliance::SignedAct& act) {
  std::vector<appliance::ActSignature> made;
  for (std::size_t i = 0; i < options.officers.size(); ++i) {
    const auto& given = options.officers[i];
    const auto equals = given.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == given.size())
      return ActionFailure{"invalid", "--officer " + given + " is not NAME=KEYFILE.", kUnchanged};
    const std::string name = given.substr(0, equals), file = given.substr(equals + 1);
    const auto password = password_of(options, i, name);
    if (!password)
      return ActionFailure{"invalid", "The password of " + name + ": " + sentence(password.error()) + '.',
                           kUnchanged};
    const auto key = read_officer_key(file, *password);
    if (!key) return ActionFailure{"invalid", file + ": " + sentence(key.error()) + '.', kUnchanged};
    auto signature = sign_act(**key, act.text);
    if (!signature)
      return ActionFailure{"invalid", file + ": " + sentence(signature.error()) + '.', kUnchanged};
    made.push_back({name, std::move(*signature)});
  }
  act.signatures.insert(act.signatures.end(), std::make_move_iterator(made.begin()),
                        std::make_move_iterator(made.end()));
  return std::nullopt;
}

std::string act_in_words(const appliance::Act& act) {
  std::string out = "action:     " + act.action + "\nappliance:  " + act.appliance + '\n';
  for (const auto& parameter : act.parameters)
    out += "  " + std::string(parameter.key()) + ": " + boost::json::serialize(parameter.value()) + '\n';
  return out + "made at:    " + base::to_rfc3339(act.created) +
         "\ngood until: " + base::to_rfc3339(act.expires);
}

}  // namespace sigillo::provisioning
