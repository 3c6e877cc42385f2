// The steps around what nobody may have whole: the token's PIN and the key of the backup, given away in
// shares; and the shares coming back where the ceremony was interrupted.
#include <hsm/token.hpp>

#include "ceremony.hpp"
#include "share_desk.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;

constexpr std::size_t kSoPinMin = 8;

}  // namespace

// ---- the tokens' PIN
// --------------------------------------------------------------------------------------------------------

base::Result<void> Ceremony::ask_so_pin(bool anew) {
  if (!so_pin_.empty()) return base::ok();
  const Typed typed{"the set-up PIN", "rehearsal"};
  for (;;) {
    SIGILLO_TRY(auto first, dialogue_.ask_secret("Set-up PIN of the tokens", typed));
    if (first.size() < kSoPinMin) {
      dialogue_.warn("That is shorter than " + std::to_string(kSoPinMin) + " characters.");
      continue;
    }
    if (anew) {
      SIGILLO_TRY(const auto again, dialogue_.ask_secret("The same once more", {"the same", "rehearsal"}));
      if (!base::constant_time_equal(first, again)) {
        dialogue_.warn("The two are not the same: type both anew.");
        continue;
      }
    }
    so_pin_ = std::move(first);
    return base::ok();
  }
}

// Until all its shares are given the PIN is in this process alone, so this step and the next are one: where
// the process ends between, both are done anew under a new PIN.
Ceremony::Done Ceremony::prepare_tokens() {
  split_.reset();
  const auto& first = plan_.officers.front();
  const bool again = transcript_.begun("token");
  dialogue_.say(
      "The tokens are made ready: " + plan_.token_label + ", and " + plan_.spare_label + " for the backup. " +
      first.name +
      " types a set-up PIN for them (the security officer's, CKU_SO). It is needed until step 6, where it is "
      "replaced by one that nobody knows. No key is in the tokens before that.");
  if (again)
    dialogue_.say(
        "This was begun before and interrupted: type the set-up PIN that was chosen then. The tokens get a "
        "new PIN, and whatever shares were shown are dead: they are torn up.");
  SIGILLO_CHECK(ask_so_pin(!again));
  if (!again)
    SIGILLO_CHECK(note("token", "begun", "The tokens are about to be initialised.",
                       {{"token", plan_.token_label}, {"spare", plan_.spare_label}}));
  // Kept only when both tokens have it: shares of a PIN that no token took would open nothing, ever.
  auto split = machine_.split(base::ShareKind::authorisation);
  json::object facts;
  for (const auto which : {Which::main, Which::spare}) {
    const auto& label = which == Which::main ? plan_.token_label : plan_.spare_label;
    dialogue_.runs("C_InitToken " + label +
                   " (where it is there already: C_InitPIN), with a PIN of 160 random bits");
    auto token = machine_.prepare_token(which, so_pin_, split.pin);
    if (!token && token.error().is(hsm::Errc::credential)) {
      so_pin_.wipe();
      dialogue_.warn("The token " + label +
                     " refuses that set-up PIN. If it was never chosen here, the token is "
                     "somebody else's: name another label in the plan.");
    }
    if (!token) return token.error();
    dialogue_.table(label + ", serial number " + token->serial + ", " + token->model);
    facts[which == Which::main ? "token" : "spare"] =
        json::object{{"label", token->label}, {"serial", token->serial}, {"model", token->model}};
  }
  pin_ = split.pin.clone();
  split_ = std::move(split);
  return facts;
}

Ceremony::Done Ceremony::give_pin_shares() {
  if (!split_) {
    // The PIN went with the process that drew it.
    dialogue_.say(
        "The ceremony was interrupted before every custodian had a share. The shares that were shown are "
        "dead: tear them up. The tokens get a new PIN.");
    SIGILLO_TRY(const auto facts, prepare_tokens());
    static_cast<void>(facts);
  }
  dialogue_.say(
      "Each custodian gets one share of the tokens' PIN: " + any_of() +
      " together open the appliance, and fewer learn nothing. A share opens nothing but that; it brings no "
      "lost key back. Each comes to the terminal alone, with paper and a pen; the others stand where they "
      "do not see it. A share is shown once.");
  SIGILLO_TRY(auto facts, give_shares(*split_));
  split_.reset();
  return facts;
}

Ceremony::Done Ceremony::close_security_officer() {
  dialogue_.say(
      "The set-up PIN is replaced by a random one that is thrown away: whoever knew it could set another PIN "
      "one night, and need no custodian. From here on there is no way into the tokens but " +
      any_of() + '.');
  const bool again = transcript_.begun("so-pin");
  if (!again) SIGILLO_CHECK(note("so-pin", "begun", "The set-up PIN is about to be replaced."));
  for (unsigned refused = 0;;) {
    SIGILLO_CHECK(ask_so_pin(false));
    dialogue_.runs("C_SetPIN as CKU_SO on both tokens, with 160 random bits");
    bool wrong = false;
    for (const auto which : {Which::main, Which::spare}) {
      const auto closed = machine_.close_security_officer(which, so_pin_);
      wrong |= !closed && closed.error().is(hsm::Errc::credential);
      if (!closed && !closed.error().is(hsm::Errc::credential)) return closed.error();
    }
    so_pin_.wipe();
    if (!wrong) return json::object{};
    ++refused;
    // After an interruption one or both may have the new one already, and then no PIN that anybody can type
    // is right.
    if (again && refused == 2) {
      dialogue_.say("The set-up PIN was refused twice: it was replaced before the interruption.");
      return json::object{{"refused_after_interruption", true}};
    }
    dialogue_.warn("A token refuses that set-up PIN: type it again.");
  }
}

// ---- shares go out
// ----------------------------------------------------------------------------------------------------------

Ceremony::Done Ceremony::give_backup_shares() {
  dialogue_.say(
      "A second kind of share, on a second paper: " + any_of() +
      " open with it the backup of the keys, and nothing else. It is kept in another envelope than the "
      "first, and never brought along to open the appliance.");
  const auto split = machine_.split(base::ShareKind::backup);
  SIGILLO_TRY(auto facts, give_shares(split));
  backup_key_ = split.pin.clone();
  return facts;
}

ShareDesk Ceremony::desk(base::ShareKind kind) {
  const char* const step = kind == base::ShareKind::authorisation ? "shares" : "backup-shares";
  return {plan_.appliance, dialogue_, [this](unsigned sides) { return machine_.dice(sides); },
          [this, step](const char* event, std::string said, json::object facts) {
            return note(step, event, std::move(said), std::move(facts));
          }};
}

Ceremony::Done Ceremony::give_shares(const base::SplitPin& split) {
  std::vector<std::string> names;
  for (const auto& custodian : plan_.custodians) names.push_back(custodian.name);
  return desk(split.shares.front().of.kind).give(split, names);
}

// ---- shares come back
// -------------------------------------------------------------------------------------------------------

base::Result<base::Secret> Ceremony::gather(base::ShareKind kind) {
  const auto* given =
      transcript_.find(kind == base::ShareKind::authorisation ? "shares" : "backup-shares", "done");
  const std::string set(given->facts.at("set").as_string());
  SIGILLO_TRY(auto gathered,
              desk(kind).gather(kind, set, plan_.threshold,
                                "The ceremony was interrupted after this was given away in shares, so " +
                                    any_of() + " are needed to go on, in any order."));
  return std::move(gathered.pin);
}

base::Result<void> Ceremony::need_token() {
  if (machine_.open()) return base::ok();
  if (pin_.empty()) {
    SIGILLO_TRY(pin_, gather(base::ShareKind::authorisation));
  }
  dialogue_.runs("C_Login to " + plan_.token_label);
  return machine_.open_token(pin_.clone());
}

base::Result<void> Ceremony::need_backup_key() {
  if (!backup_key_.empty()) return base::ok();
  SIGILLO_TRY(backup_key_, gather(base::ShareKind::backup));
  return base::ok();
}

}  // namespace sigillo::provisioning
