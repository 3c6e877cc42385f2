// The policy in force, and what officers accept before an appliance that is held serves: a loosened policy,
// two of them; a row of unclean stops, one.
#include "actions.hpp"
#include "policy_floor.hpp"

namespace sigillo::appliance {
namespace {

namespace json = boost::json;

constexpr const char* kUnread = "Nothing was changed. Look at `sigillo status`, and run it again.";

bool is_held_for(const Host& host, std::string_view reason) {
  const auto reasons = host.reasons();
  return host.standing() == Standing::held && std::ranges::find(reasons, reason) != reasons.end();
}

// Once the act is written to its end: the last reason taken away opens the appliance, or says why not.
void release_afterwards(ActionCall& call, const char* hold) {
  call.afterwards = [&host = call.host, hold]() -> std::optional<ActionFailure> {
    if (!is_held_for(host, hold)) return std::nullopt;
    const auto released = host.release(hold);
    if (released) return std::nullopt;
    return failed(released.error(), "It was accepted, but the appliance does not open",
                  "Its log says more; it is sealed again.");
  };
}

}  // namespace

ActionOutcome policy_show(ActionCall& call) {
  if (!only(call.parameters, {})) return invalid("Showing the policy takes nothing.");
  const auto& context = call.context();
  const auto accepted = accepted_policy(context);
  if (!accepted) return failed(accepted.error(), "The accepted policy cannot be read", kUnread);
  json::array changes;
  if (*accepted) {
    for (const auto& change : compare(**accepted, context.config))
      changes.push_back(json::object{{"key", change.key},
                                     {"accepted", change.accepted},
                                     {"configured", change.configured},
                                     {"loosened", change.loosened}});
  }
  return json::object{{"policy", policy_digest(policy_of(context.config))},
                      {"profile", context.config.profile},
                      {"held", is_held_for(call.host, kHoldPolicy)},
                      {"changes", std::move(changes)}};
}

// What is signed is the digest of the policy that is configured now: another file by then is another policy.
ActionOutcome policy_accept(ActionCall& call) {
  const auto digest = text_of(call.parameters, "policy");
  if (!digest || !only(call.parameters, {"policy"})) return invalid("A policy is named by \"policy\".");
  const auto& context = call.context();
  if (*digest != policy_digest(policy_of(context.config)))
    return refused("The officers accepted another policy than the configuration has.",
                   "Nothing was changed. `sigillo policy show` has this one's digest.");
  const auto done = accept_policy(context, call.event(EventKind::policy_accepted));
  if (!done) return failed(done.error(), "The policy could not be accepted", kUnread);
  release_afterwards(call, kHoldPolicy);
  return json::object{{"policy", *digest}};
}

ActionOutcome accept_unclean_stops(ActionCall& call) {
  if (!only(call.parameters, {})) return invalid("Accepting unclean stops takes nothing.");
  if (!is_held_for(call.host, kHoldUncleanStops))
    return refused("The appliance is not held for unclean stops.", "There is nothing to accept.");
  const auto noted = call.parts().runs->accept(call.event(EventKind::unclean_stops_accepted));
  if (!noted) return failed(noted.error(), "It could not be written into the ledger", kUnread);
  release_afterwards(call, kHoldUncleanStops);
  return json::object{};
}

}  // namespace sigillo::appliance
