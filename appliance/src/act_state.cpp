// What the appliance is, and how it opens and closes.
#include "actions.hpp"

namespace sigillo::appliance {
namespace {

namespace json = boost::json;

ActionFailure not_unsealed(const base::Error& error, bool person) {
  if (error.is(Errc::standing)) return refused("The appliance is not sealed.", "There is nothing to do.");
  if (error.is(hsm::Errc::credential))
    return {"token-pin-refused", std::string("The token refuses the PIN: ") + error.detail() + '.',
            person ? "It was tried once. Some tokens lock after a few: be sure of the next one."
                   : "It was tried once, and is not tried again by itself."};
  return failed(error, "The appliance stays sealed", "Correct that, and unseal it again.");
}

// Of each channel that asked for a decision since this opened: how many secrets were compared, how many of
// them were wrong, and who was turned away by a counter.
json::array by_channel(const ChannelRegistry& channels) {
  json::array out;
  for (const auto& channel : channels.all()) {
    const auto& outcomes = channel.figures->outcomes;
    const auto compared = outcomes.evaluated();
    const auto wrong = outcomes.of(EventOutcome::rejected);
    const auto delayed = outcomes.of(EventOutcome::delayed), locked = outcomes.of(EventOutcome::locked);
    if (compared + delayed + locked == 0) continue;
    const double rate = compared == 0 ? 0 : static_cast<double>(wrong) / static_cast<double>(compared);
    out.push_back({{"channel", channel.label()},
                   {"compared", compared},
                   {"wrong", wrong},
                   {"failure_rate", rate},
                   {"delayed", delayed},
                   {"locked", locked}});
  }
  return out;
}

}  // namespace

ActionOutcome status(ActionCall& call) {
  const auto standing = call.host.standing();
  json::object out{{"state", name(standing)}};
  json::array reasons;
  const auto readiness = call.host.readiness();
  for (const auto& reason : readiness.reasons) reasons.emplace_back(reason);
  out["ready"] = readiness.ready;
  out["reasons"] = std::move(reasons);
  const auto lease = call.host.enter(Standing::held);
  if (!lease) return out;
  const auto& parts = lease->assembly().parts();
  const auto head = parts.store->head();
  out["appliance"] = parts.appliance_id;
  out["time"] = base::to_rfc3339(parts.context().now());
  out["node"] = head.node;
  out["seq"] = head.seq;
  out["profile"] = parts.config.profile;
  out["unclean_stops"] = parts.runs->unclean();
  out["development"] = parts.config.allow_weak_policy;
  const auto officers = load_officers(parts.context());
  if (officers) out["officers"] = active(*officers);
  out["channels"] = by_channel(parts.channels);
  return out;
}

ActionOutcome unseal(ActionCall& call) {
  if (!call.parameters.empty()) return invalid("Unsealing takes a token PIN and nothing else.");
  if (call.secret.empty()) return invalid("There is no token PIN.", "Give it when `sigillo unseal` asks.");
  const auto done = call.host.unseal(call.secret, "prompt");
  if (!done) return not_unsealed(done.error(), true);
  return status(call);
}

// Attack: a machine that holds fewer shares than the threshold gives none of the PIN away; and who brings a
// share is told only how it was typed, and how many are there.
ActionOutcome unseal_share(ActionCall& call) {
  if (!call.parameters.empty()) return invalid("Unsealing takes a share and nothing else.");
  if (call.host.standing() != Standing::sealed)
    return refused("The appliance is not sealed.", "There is nothing to do.");
  auto verdict = call.shares.add(call.secret, call.clock.now());
  if (!verdict.taken) return refused(verdict.sentence, "Nothing was tried. Give the share again.");
  if (verdict.pin) {
    const auto done = call.host.unseal(*verdict.pin, "shares");
    if (!done) return not_unsealed(done.error(), true);
  }
  auto out = std::get<json::object>(status(call));
  out["said"] = verdict.sentence;
  out["have"] = verdict.have;
  out["needed"] = verdict.needed;
  return out;
}

ActionOutcome seal(ActionCall& call) {
  if (!only(call.parameters, {})) return invalid("Sealing takes nothing.");
  call.shares.wipe();
  call.host.seal("sealed-by-officer");
  return status(call);
}

}  // namespace sigillo::appliance
