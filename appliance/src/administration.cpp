#include <appliance/administration.hpp>

#include <boost/json/serialize.hpp>

#include <base/log.hpp>

#include "actions.hpp"
#include "open_act.hpp"
#include "restoration.hpp"

namespace sigillo::appliance {
namespace {

ActionFailure not_standing(const Host& host) {
  if (host.standing() == Standing::held)
    return {"held", "The appliance is held back from serving.",
            "`sigillo status` says for what reason; accept it first."};
  return {"sealed", "The appliance is sealed.",
          "Unseal it (`sigillo unseal`), and run the same command again."};
}

Id act_id(const Act& act) {
  const auto digest = base::sha256({base::view("sigillo/act-nonce/v1:"), base::view(act.nonce)});
  Id id;
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

// Whoever may speak to this socket and has no two signatures that hold is an officer's mistake, or somebody
// who tries keys: no entry of the ledger comes of it, so the log says it.
ActionFailure refused_act(const OfficerAction& action, const ActCheck& check) {
  base::log::warn("act-refused",
                  {{"action", action.name}, {"officer", check.about}, {"why", sentence(*check.refusal)}});
  std::string what = "Refused: " + std::string(sentence(*check.refusal));
  if (!check.about.empty()) what += " (" + check.about + ')';
  return refused(what + '.', "Nothing was changed. `sigillo officer list` says who may sign.");
}

ActRecord record_of(const SignedAct& act, const Officers& officers, base::Instant now) {
  ActRecord record{act.text, {}, now};
  for (const auto& one : act.signatures)
    record.signatures.push_back({one.officer, one.signature, find_officer(officers, one.officer)->key});
  return record;
}

// An act that was checked, into the ledger and the store before anything of it is done: its digest, and each
// signature in an entry of its own. The record holds the nonce for good.
base::Result<void> write_down(const ActionCall& call, const SignedAct& act, const Act& parsed,
                              const Officers& officers) {
  const auto& context = call.context();
  sealed_store::Changes changes;
  SIGILLO_TRY(auto left_open, close_interrupted(call.parts()));  // where the disk did not take its end
  if (left_open) changes.events.push_back(std::move(*left_open));
  auto begun = call.event(EventKind::act);
  begun.reference = call.digest;
  changes.events.push_back(std::move(begun));
  for (const auto& one : act.signatures) {
    auto signed_by = call.event(EventKind::act_signed);
    signed_by.operator_name = one.officer;
    signed_by.reference = base::to_base64url(one.signature);
    changes.events.push_back(std::move(signed_by));
  }
  const auto now = context.now();
  changes.puts.push_back(
      context.put(Table::act, act_id(parsed), record_of(act, officers, now), Queue::act, now));
  changes.puts.push_back(context.put(Table::open_act, Id{}, open_act(call, parsed)));
  const auto committed = base::sync_wait(context.store.commit(std::move(changes)));
  if (!committed) return committed.error();
  return base::ok();
}

void write_end(const ActionCall& call, bool good) {
  auto ended = call.event(EventKind::act_ended);
  ended.reference = call.digest;
  ended.outcome = static_cast<std::uint16_t>(good ? EventOutcome::approved : EventOutcome::failed);
  const auto noted = base::sync_wait(call.context().store.commit(
      {.events = {std::move(ended)}, .erases = {record_key(Table::open_act, Id{})}}));
  if (!noted) base::log::error("act-end-not-noted", noted.error());
}

// Nothing, or why the act is not carried out. On return the call knows who signed.
std::optional<ActionFailure> admit(const OfficerAction& action, const AdminRequest& request,
                                   ActionCall& call) {
  if (!request.act) {
    return refused("\"" + request.action + "\" takes the signatures of " + std::to_string(action.officers) +
                       (action.officers == 1 ? " officer." : " officers."),
                   "Nothing was changed. Give --officer NAME=KEYFILE for each.");
  }
  const auto& context = call.context();
  const auto officers = load_officers(context);
  if (!officers) return failed(officers.error(), "The officers cannot be read", "Look at `sigillo status`.");
  const auto restored = context.load<RestoreRecord>(Table::restore, Id{});
  if (!restored)
    return failed(restored.error(), "Acts of before cannot be read", "Look at `sigillo status`.");
  auto check = check_act(*request.act, *officers,
                         {call.parts().appliance_id, request.action, action.officers, context.now(),
                          *restored ? (*restored)->at : base::Instant{}});
  if (check.refusal) return refused_act(action, check);
  const auto kept = context.load<ActRecord>(Table::act, act_id(check.act));
  if (!kept) return failed(kept.error(), "Acts of before cannot be read", "Look at `sigillo status`.");
  if (*kept) {
    check.refusal = ActRefusal::replayed;
    return refused_act(action, check);
  }
  if (boost::json::serialize(check.act.parameters) != boost::json::serialize(request.parameters)) {
    base::log::warn("act-refused", {{"action", action.name}, {"why", "signed with other parameters"}});
    return refused("The act that was signed has other parameters than this command.",
                   "Nothing was changed. Have the officers sign this one.");
  }
  call.officers = std::move(check.officers);
  call.digest = base::to_hex(act_digest(request.act->text));
  const auto written = write_down(call, *request.act, check.act, *officers);
  if (!written)
    return failed(written.error(), "The act could not be written into the ledger",
                  "It was not carried out. Correct that, and sign a new one.");
  return std::nullopt;
}

}  // namespace

Administration::Administration(Host& host, const base::Clock& clock, Place place)
    : host_(host), clock_(clock), place_(place), shares_(host.config().audit.issuer) {}

Administration::~Administration() = default;

// The officers are those of the store that is put back; who was suspended or revoked since, as the lost
// ledger says, is none of them.
ActionOutcome Administration::on_candidate(const OfficerAction& action, const AdminRequest& request,
                                           ActionCall& call) {
  const auto order = restore_order(request.parameters);
  if (!order)
    return invalid(
        "A restore is of a \"backup\", a \"store\" or neither, with \"ledger\" files; absolute paths.");
  const std::unique_lock<std::mutex> one(acts_, std::try_to_lock);
  if (!one)
    return ActionFailure{"busy", "Another act is being carried out.", "Wait for its end, and come again."};
  if (place_ != Place::command || host_.standing() != Standing::sealed)
    return refused("A restore is no work for an appliance that runs.",
                   "Nothing was changed. Stop it, and run the command again.");
  auto restoration = std::move(looked_at_);
  if (!restoration || action.officers == 0 || restoration->order() != *order) {
    restoration.reset();
    auto prepared = Restoration::prepare(host_.config(), request.secret, clock_, *order, call.progress);
    if (auto* failure = std::get_if<ActionFailure>(&prepared)) return std::move(*failure);
    restoration = std::get<std::unique_ptr<Restoration>>(std::move(prepared));
  }
  call.assembly = &restoration->assembly();
  call.restoration = restoration.get();
  if (action.officers > 0) {
    for (const auto& one_of : request.act ? request.act->signatures : std::vector<ActSignature>()) {
      if (restoration->tail().officers.contains(one_of.officer))
        return refused_act(action, {ActRefusal::inactive_officer, one_of.officer, {}, {}});
    }
    if (auto failure = admit(action, request, call)) return std::move(*failure);
    base::log::info("act", {{"action", action.name}, {"digest", call.digest}});
  }
  auto outcome = action.run(call);
  if (action.officers > 0) write_end(call, outcome.index() == 0);
  if (call.afterwards && outcome.index() == 0) {
    if (auto failure = call.afterwards()) return std::move(*failure);
  }
  call.assembly = nullptr;
  call.restoration = nullptr;
  if (action.officers == 0) looked_at_ = std::move(restoration);
  return outcome;
}

ActionOutcome Administration::perform(AdminRequest request, const Progress& progress) {
  const auto* const action = find_action(request.action);
  if (action == nullptr)
    return invalid("\"" + request.action + "\" is no action of this appliance.",
                   "Command and server are of different versions: use the command of the server's.");
  shares_.forget_if_old(clock_.now());
  ActionCall call{host_, clock_, shares_, nullptr, request.parameters, request.secret, progress, {}, {}};
  if (action->needs == Needs::nothing) return action->run(call);
  if (action->needs == Needs::candidate) return on_candidate(*action, request, call);

  std::unique_lock<std::mutex> one(acts_, std::defer_lock);
  if (action->officers > 0 && !one.try_lock())
    return ActionFailure{"busy", "Another act is being carried out.", "Wait for its end, and come again."};
  ActionOutcome outcome;
  {
    const auto lease = host_.enter(action->needs == Needs::open ? Standing::open : Standing::held);
    if (!lease) return not_standing(host_);
    call.assembly = &lease->assembly();
    if (action->officers > 0) {
      if (auto failure = admit(*action, request, call)) return std::move(*failure);
      base::log::info("act", {{"action", action->name}, {"digest", call.digest}});
    }
    outcome = action->run(call);
    if (action->officers > 0) write_end(call, outcome.index() == 0);
    call.assembly = nullptr;
  }
  if (call.afterwards && outcome.index() == 0) {
    if (auto failure = call.afterwards()) return std::move(*failure);
  }
  return outcome;
}

}  // namespace sigillo::appliance
