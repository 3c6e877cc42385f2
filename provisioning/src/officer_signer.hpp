// OfficerSigner: an officer's key, open and ready to sign: out of a file that a password opens, or in a token
// of the officer's own. The token's module runs in a process of its own (token_process.hpp): whatever code
// an officer's card brings along is never in the process that has the appliance open, nor in sigillod. Every
// failure is a sentence for the officer. Thread rule: one thread. Never: tries a PIN a second time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>

#include <appliance/administration.hpp>
#include <hsm/personal_token.hpp>

namespace sigillo::provisioning {

class OfficerSigner {
 public:
  virtual ~OfficerSigner() = default;
  virtual const base::ByteArray<65>& point() const = 0;
  // r || s over a digest that has a domain of its own.
  virtual std::variant<base::Bytes, appliance::ActionFailure> sign(const base::Digest& digest) = 0;
};
using OpenedSigner = std::variant<std::unique_ptr<OfficerSigner>, appliance::ActionFailure>;

OpenedSigner open_key_file(const std::string& file, const base::Secret& password);

// Asked with what the token says of its PIN: not at all where it wants none, or has a pad of its own.
using AskPin =
    std::function<base::Result<base::Secret>(const hsm::TokenUri& uri, const hsm::PinState& state)>;
// From the file that the URI's pin-source names, else typed at the terminal.
AskPin pin_of(const std::string& officer);
OpenedSigner open_token_key(const hsm::TokenUri& uri, const AskPin& ask);
// The public half alone, without a PIN where the token shows it so.
std::variant<base::ByteArray<65>, appliance::ActionFailure> token_public_key(const hsm::TokenUri& uri,
                                                                             const AskPin& ask);

// A URI as it was typed; `module`: where it names none itself.
std::variant<hsm::TokenUri, appliance::ActionFailure> read_token_uri(const std::string& text,
                                                                     const std::string& module);

}  // namespace sigillo::provisioning
