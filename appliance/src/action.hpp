// OfficerAction: one row of the officers' table and what its handler is given. A handler checks its
// parameters (they are whatever an officer's program sent), does one thing whole, and says what came of it;
// signatures, nonce, expiry and the ledger's entries about the act are done around it. Thread rule: a handler
// runs on an administration thread and may block.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <appliance/administration.hpp>

#include "parts.hpp"

namespace sigillo::appliance {

class Restoration;

// The least that the appliance must be for an action to run.
enum class Needs : std::uint8_t {
  nothing,    // also while sealed
  candidate,  // only while sealed: a store that no HSM vouches for
  held,       // token and store: also while it is held
  open,       // only while it serves
};

struct ActionCall {
  Host& host;
  const base::Clock& clock;
  ShareDesk& shares;
  Assembly* assembly;  // nullptr where the action needs nothing
  const boost::json::object& parameters;
  const base::Secret& secret;
  const Progress& progress;
  std::vector<std::string> officers;   // who signed, checked
  std::string digest;                  // of the act, hex; empty where it takes no officers
  Restoration* restoration = nullptr;  // of an action that needs a candidate
  // Set by a handler whose effect is on the host itself: run when the act's end is written and nothing is
  // held open by it any more.
  std::function<std::optional<ActionFailure>()> afterwards = {};

  Assembly::Parts& parts() const { return assembly->parts(); }
  const Context& context() const { return parts().context(); }
  // The appliance is being sealed: end soon, and whole.
  bool stopping() const { return host.closing(); }
  // A ledger entry of the officers': channel "officer", operator "anna+bruno".
  sealed_store::Event event(EventKind kind) const;
};

struct OfficerAction {
  std::string_view name;
  unsigned officers;  // 0, 1 or 2
  Needs needs;
  ActionOutcome (*run)(ActionCall& call);
};
std::span<const OfficerAction> actions();
const OfficerAction* find_action(std::string_view name);

// ---- what handlers share

ActionFailure invalid(std::string what, std::string next = "Nothing was changed. Correct the command.");
ActionFailure refused(std::string what, std::string next);
// Of an error of token or store: "what: detail (error 301)". The code says whether it was the HSM.
ActionFailure failed(const base::Error& error, std::string_view what, std::string next);

// Nothing where a member is absent or of another type.
std::optional<std::string> text_of(const boost::json::object& parameters, std::string_view name);
std::optional<std::int64_t> number_of(const boost::json::object& parameters, std::string_view name);
std::optional<bool> flag_of(const boost::json::object& parameters, std::string_view name);
// No member but these: what an officer signed and the handler does not know must not be passed over.
bool only(const boost::json::object& parameters, std::initializer_list<std::string_view> names);

}  // namespace sigillo::appliance
