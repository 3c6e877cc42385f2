#include "signing.hpp"

#include <boost/json/serialize.hpp>

#include <appliance/officers.hpp>
#include <provisioning/officer_key.hpp>
#include <provisioning/terminal.hpp>

#include "files.hpp"

namespace sigillo::provisioning {
namespace {

using appliance::ActionFailure;

constexpr const char* kUnchanged = "Nothing was signed, and nothing was changed.";

ActionFailure refused(std::string what) {
  return {"invalid", std::move(what), kUnchanged};
}

// Attack: one person under two names, or twice. The appliance refuses it too; here it costs nothing.
std::optional<ActionFailure> twice(const Signers& before, const std::string& name,
                                   const OfficerSigner* key = nullptr) {
  for (const auto& other : before) {
    if (other.name == name)
      return refused("The act is refused: " + std::string(sentence(appliance::ActRefusal::same_officer)) +
                     " (" + name + ").");
    if (key != nullptr && other.key->point() == key->point())
      return refused("The act is refused: " + std::string(sentence(appliance::ActRefusal::same_key)) + " (" +
                     other.name + ", " + name + ").");
  }
  return std::nullopt;
}

OpenedSigner open_key(const AdminOptions& options, const std::string& name, const std::string& where,
                      std::size_t& passwords) {
  if (hsm::is_token_uri(where)) {
    auto uri = read_token_uri(where, options.module);
    if (auto* failure = std::get_if<ActionFailure>(&uri)) return std::move(*failure);
    return open_token_key(std::get<hsm::TokenUri>(uri), pin_of(name));
  }
  // A file that is none is told before anybody types a password for it.
  if (const auto shape = check_officer_key(where); !shape)
    return refused(where + ": " + sentence(shape.error()) + '.');
  const auto password = passwords < options.password_files.size()
                            ? read_secret_file(options.password_files[passwords])
                            : ask_secret("Password of the key of " + name + ": ");
  ++passwords;
  if (!password) return refused("The password of " + name + ": " + sentence(password.error()) + '.');
  return open_key_file(where, *password);
}

}  // namespace

std::variant<Signers, ActionFailure> open_signers(const AdminOptions& options) {
  Signers out;
  std::size_t passwords = 0;
  for (const auto& given : options.officers) {
    const auto equals = given.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == given.size())
      return refused("--officer is NAME=KEYFILE or NAME=pkcs11:..., and \"" + given + "\" is not.");
    const std::string name = given.substr(0, equals);
    if (auto failure = twice(out, name)) return std::move(*failure);
    auto opened = open_key(options, name, given.substr(equals + 1), passwords);
    if (auto* failure = std::get_if<ActionFailure>(&opened)) return std::move(*failure);
    auto& key = std::get<std::unique_ptr<OfficerSigner>>(opened);
    if (auto failure = twice(out, name, key.get())) return std::move(*failure);
    out.push_back({name, std::move(key)});
  }
  if (passwords < options.password_files.size())
    return refused("There are more --password-file than keys in files.");
  return out;
}

std::optional<ActionFailure> sign_by(const Signers& signers, appliance::SignedAct& act) {
  std::vector<appliance::ActSignature> made;
  for (const auto& [name, key] : signers) {
    auto signature = key->sign(appliance::act_digest(act.text));
    if (auto* failure = std::get_if<ActionFailure>(&signature)) return std::move(*failure);
    made.push_back({name, std::get<base::Bytes>(std::move(signature))});
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
