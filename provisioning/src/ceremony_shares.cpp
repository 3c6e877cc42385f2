// The steps around what nobody may have whole: the token's PIN and the key of the backup, given away in
// shares; and the shares coming back where the ceremony was interrupted.
#include <hsm/token.hpp>

#include "ceremony.hpp"
#include "share_screen.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;

constexpr std::size_t kSoPinMin = 8;
constexpr unsigned kTriesToType = 3;

std::string_view paper(base::ShareKind kind) {
  return kind == base::ShareKind::authorisation ? "AUTHORISATION SHARE" : "BACKUP SHARE";
}

// One row of a share's text, without blanks.
base::Secret row_of(const base::Share& share, unsigned row) {
  const auto text = share.text();
  base::Secret out(base::kShareRowLength);
  std::size_t size = 0;
  for (const char c :
       text.expose_text().substr((row - 1) * (base::kShareRowLength + 4), base::kShareRowLength + 3)) {
    if (c != ' ') out.writable()[size++] = static_cast<base::Byte>(c);
  }
  return out;
}

// As it would stand in a share: upper case, and nothing between.
base::Secret normalised(const base::Secret& typed) {
  base::Secret out(typed.size());
  std::size_t size = 0;
  for (const char c : typed.expose_text()) {
    if (c == ' ' || c == '-') continue;
    out.writable()[size++] = static_cast<base::Byte>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return base::Secret(out.expose().first(size));
}

json::object set_facts(const base::ShareSet& of) {
  return {{"kind", base::name(of.kind)},
          {"appliance_mark", of.appliance},
          {"set", of.set},
          {"threshold", of.threshold},
          {"count", of.count}};
}

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

Ceremony::Done Ceremony::give_shares(const base::SplitPin& split) {
  const auto& of = split.shares.front().of;
  dialogue_.table("set " + (dialogue_.rehearsal() ? std::string("[5 characters]") : of.set) + ", appliance " +
                  of.appliance + ": every share of it begins alike");
  for (std::size_t i = 0; i < split.shares.size(); ++i) {
    SIGILLO_CHECK(give_share(split.shares[i], plan_.custodians[i]));
    SIGILLO_CHECK(
        note(of.kind == base::ShareKind::authorisation ? "shares" : "backup-shares", "given",
             plan_.custodians[i].name + " has share " + std::to_string(split.shares[i].number) +
                 ", and typed a line of it back.",
             {{"custodian", plan_.custodians[i].name}, {"share", split.shares[i].number}, {"set", of.set}}));
  }
  return set_facts(of);
}

base::Result<void> Ceremony::give_share(const base::Share& share, const Attendant& custodian) {
  const std::string which = std::to_string(share.number) + " of " + std::to_string(share.of.count);
  SIGILLO_CHECK(dialogue_.wait(custodian.name + " comes to the terminal alone, for share " + which + '.'));
  const std::string heading = std::string(paper(share.of.kind)) + ' ' + which + ", for " + custodian.name +
                              " alone\nappliance " + plan_.appliance + " (" + share.of.appliance + "), set " +
                              share.of.set + ", any " + std::to_string(share.of.threshold) + " of " +
                              std::to_string(share.of.count) +
                              "\nWrite these four lines and the words above on the paper.\n";
  const auto screen = share_screen(share, heading);
  const unsigned row = machine_.dice(base::kShareRows);
  for (;;) {
    SIGILLO_CHECK(dialogue_.show(screen, std::string(paper(share.of.kind)) + ' ' + which + ", for " +
                                             custodian.name + " alone\nappliance " + plan_.appliance + " (" +
                                             share.of.appliance + "), set [5 characters], any " +
                                             std::to_string(share.of.threshold) + " of " +
                                             std::to_string(share.of.count) +
                                             "\n[a QR code, and beside it]\n1)  XXXX XXXX XXXX XXXX\n"
                                             "2)  XXXX XXXX XXXX XXXX\n3)  XXXX XXXX XXXX XXXX\n"
                                             "4)  XXXX XXXX XXXX XXXX"));
    SIGILLO_TRY(const bool right, types_back(share, row));
    if (right) return base::ok();
    dialogue_.warn("The paper is not right: the share is shown once more, to be compared line by line.");
  }
}

base::Result<bool> Ceremony::types_back(const base::Share& share, unsigned row) {
  const auto expected = row_of(share, row);
  for (unsigned tried = 0; tried < kTriesToType; ++tried) {
    const std::string line = "line " + std::to_string(row);
    SIGILLO_TRY(const auto typed,
                dialogue_.ask_secret("Type " + line + " from the paper",
                                     {line + " of the share",
                                      dialogue_.rehearsal() ? std::string(expected.expose_text()) : ""}));
    if (base::constant_time_equal(normalised(typed), expected)) {
      dialogue_.say("Right. The paper goes into the envelope now.");
      return true;
    }
    const auto fault = base::check_share_row(row, typed);
    dialogue_.warn(fault ? fault->sentence()
                         : "That is a line of another share: take the paper that was just written.");
  }
  return false;
}

// ---- shares come back
// -------------------------------------------------------------------------------------------------------

// Nothing: the custodian goes away without having given one.
base::Result<std::optional<base::Share>> Ceremony::read_share(unsigned number) {
  base::Secret whole(0);
  for (unsigned row = 1; row <= base::kShareRows;) {
    SIGILLO_TRY(
        const auto typed,
        dialogue_.ask_secret("Share " + std::to_string(number) + ", line " + std::to_string(row), {}));
    if (row == 1 && typed.expose_text() == "stop") return std::optional<base::Share>();
    // A scanner types the whole code at once.
    if (row == 1 && typed.size() > 2 * base::kShareRowLength) {
      auto parsed = base::parse_share(typed);
      if (auto* share = std::get_if<base::Share>(&parsed)) return std::optional(std::move(*share));
      dialogue_.warn(std::get<base::ShareFault>(parsed).sentence());
      continue;
    }
    if (const auto fault = base::check_share_row(row, typed)) {
      dialogue_.warn(fault->sentence());
      continue;
    }
    whole = base::Secret::concat({whole.expose(), typed.expose()});
    ++row;
  }
  auto parsed = base::parse_share(whole);
  if (auto* share = std::get_if<base::Share>(&parsed)) return std::optional(std::move(*share));
  dialogue_.warn(std::get<base::ShareFault>(parsed).sentence());
  return std::optional<base::Share>();
}

base::Result<base::Secret> Ceremony::gather(base::ShareKind kind) {
  const char* const step = kind == base::ShareKind::authorisation ? "shares" : "backup-shares";
  const auto* given = transcript_.find(step, "done");
  const std::string set(given->facts.at("set").as_string());
  dialogue_.say("The ceremony was interrupted after this was given away in shares, so " + any_of() +
                " are needed to go on, in any order. Each types the four lines of their " +
                std::string(base::name(kind)) +
                " (blanks and case do not matter), or scans its code. \"stop\" ends it.");
  base::ShareCollector collector(plan_.appliance, set, kind);
  while (collector.have() < plan_.threshold) {
    SIGILLO_TRY(auto share, read_share(collector.have() + 1));
    if (!share) {
      SIGILLO_TRY(const bool more,
                  dialogue_.confirm("Have " + std::to_string(collector.have()) + " of " +
                                    std::to_string(plan_.threshold) +
                                    " shares; fewer open nothing. Does another custodian come?"));
      if (!more) return base::Error(Errc::ceremony, "there were not enough shares to go on");
      continue;
    }
    const auto copy = base::Share{share->of, share->number, {}};
    const auto verdict = collector.add(std::move(*share));
    const std::string said = base::ShareCollector::sentence(verdict, copy);
    const bool good =
        verdict == base::ShareCollector::Verdict::taken || verdict == base::ShareCollector::Verdict::enough;
    good ? dialogue_.say(said) : dialogue_.warn(said);
    SIGILLO_CHECK(note(step, good ? "used" : "refused", said));
  }
  auto pin = collector.pin();
  if (!pin) {
    SIGILLO_CHECK(note(step, "refused", "The shares do not fit together: one of them was altered."));
    dialogue_.warn(
        "The shares do not fit together: one of them was altered, check characters and all. Find out whose, "
        "with other custodians.");
    return base::Error(Errc::ceremony, "the shares do not fit together");
  }
  return std::move(*pin);
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
