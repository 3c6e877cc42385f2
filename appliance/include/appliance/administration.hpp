// Administration: everything that officers ask of an appliance, behind one table of actions: its name, how
// many officers must have signed, where it may run, its handler. A running server reaches it over a local
// socket and a command in its own process; it behaves alike. What takes officers is an act: it is checked,
// written into the ledger with its signatures, carried out, and its end is written too. Thread rule: any
// thread, which it blocks; acts go one at a time, reads beside them. Never: reachable from the network.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

#include <boost/json/object.hpp>

#include <appliance/act.hpp>
#include <appliance/host.hpp>
#include <appliance/share_desk.hpp>

namespace sigillo::appliance {

struct AdminRequest {
  std::string action;  // "keys.rotate"
  boost::json::object parameters;
  std::optional<SignedAct> act;  // where the action takes officers; its parameters are these, to the byte
  base::Secret secret;           // what may not be JSON: a token PIN, a share, a codice fiscale
};

// done of total, in whatever unit `text` says.
using Progress = std::function<void(std::uint64_t done, std::uint64_t total, std::string_view text)>;

struct ActionFailure {
  std::string code;  // "sealed", "held", "busy", "refused", "invalid", "hsm-unavailable", "failed", ...
  std::string what;  // a sentence: what failed, and of what
  std::string next;  // a sentence: what to do
};
using ActionOutcome = std::variant<boost::json::object, ActionFailure>;

// subject.erase: `secret` is kErasureSalt random bytes and the codice fiscale, and its parameter "subject"
// this commitment to them.
inline constexpr std::size_t kErasureSalt = 32;
std::string erasure_commitment(const base::Secret& opening);

// How many officers an action takes; nothing where there is no such action.
std::optional<unsigned> officers_needed(std::string_view action);

class Restoration;  // appliance/src/restoration.hpp
struct OfficerAction;
struct ActionCall;

class Administration {
 public:
  // A command's own process does what none that serves may: exchange the store.
  enum class Place : std::uint8_t { server, command };
  Administration(Host& host, const base::Clock& clock, Place place = Place::server);
  ~Administration();
  ActionOutcome perform(AdminRequest request, const Progress& progress);
  // Asked now and then: custodians who went away leave nothing behind.
  void forget_old_shares() { shares_.forget_if_old(clock_.now()); }

 private:
  ActionOutcome on_candidate(const OfficerAction& action, const AdminRequest& request, ActionCall& call);

  Host& host_;
  const base::Clock& clock_;
  const Place place_;
  ShareDesk shares_;
  std::mutex acts_;  // one act at a time
  // Between what was looked at and what is signed of it; under acts_.
  std::unique_ptr<Restoration> looked_at_;
};

}  // namespace sigillo::appliance
