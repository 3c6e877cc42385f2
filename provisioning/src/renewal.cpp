#include "renewal.hpp"

#include <cstdlib>
#include <filesystem>

#include <boost/json/parse.hpp>

#include <appliance/assembly.hpp>
#include <appliance/key_register.hpp>
#include <base/ecdsa.hpp>
#include <provisioning/command.hpp>

#include "admin_client.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;

constexpr std::size_t kPinLength = 32;  // of base::SplitPin

constexpr const char* kSteps[] = {"main", "spare"};

// SoftHSM2 reads its configuration's place from the environment when it is loaded, and the two tokens may
// have two.
void point_at(const appliance::HsmConfig& config) {
  if (!config.softhsm2_conf.empty()) ::setenv("SOFTHSM2_CONF", config.softhsm2_conf.c_str(), 1);
}

json::array names_of(const std::vector<std::string>& custodians) {
  json::array out;
  for (const auto& name : custodians) out.emplace_back(name);
  return out;
}

}  // namespace

std::string Renewal::any_of() const {
  return "any " + std::to_string(plan_.threshold) + " of the " + std::to_string(plan_.custodians.size()) +
         " custodians";
}

bool Renewal::spare_is_behind() const {
  return !transcript_.done("spare") && !transcript_.done("complete");
}

std::string Renewal::new_set() const {
  const auto* given = transcript_.find("shares", "done");
  return given == nullptr ? std::string() : std::string(given->facts.at("set").as_string());
}

base::Result<void> Renewal::note(std::string_view step, const char* event, std::string said,
                                 json::object facts) {
  // What is signed stands: nothing is added behind it.
  if (transcript_.done("complete")) return base::ok();
  const base::SystemClock clock;
  return transcript_.append(
      {base::to_rfc3339(clock.now()), std::string(step), event, std::move(said), std::move(facts)});
}

ShareDesk Renewal::desk(const char* step) {
  return {
      plan_.appliance, dialogue_, {}, [this, step](const char* event, std::string said, json::object facts) {
        return note(step, event, std::move(said), std::move(facts));
      }};
}

base::Result<void> Renewal::open_book() {
  const json::object facts{{"schema", "sigillo.renewal/1"},
                           {"appliance", plan_.appliance},
                           {"token", token_name(plan_.main)},
                           {"threshold", plan_.threshold},
                           {"custodians", names_of(plan_.custodians)}};
  if (transcript_.lines().empty())
    return note("renewal", "begun", "A renewal of the authorisation shares was begun.", facts);
  const auto& begun = transcript_.lines().front();
  if (begun.step != "renewal" || begun.event != "begun")
    return base::Error(Errc::ceremony, "that file is the record of something else");
  if (begun.facts != facts)
    return base::Error(Errc::ceremony, "it was begun with another token, threshold or other custodians");
  const auto last = transcript_.lines().back();
  dialogue_.say("This renewal was begun at " + begun.time + " and is gone on with. The last thing done, at " +
                last.time + ": " + last.said);
  return note("renewal", "resumed", "The renewal was interrupted, and is gone on with.");
}

base::Result<void> Renewal::hold() {
  dialogue_.say("New authorisation shares for the appliance " + plan_.appliance + ": " +
                std::to_string(plan_.custodians.size()) + " custodians, of whom any " +
                std::to_string(plan_.threshold) +
                " together open it. It can be stopped at any question with Ctrl-C: the same command goes on "
                "where it was. Until the end the old papers are kept.");
  SIGILLO_CHECK(open_book());
  // Attack, and slip: (1) close the record without the spare, (2) give the same command with --spare: who is
  // told "renewed" destroys the papers that alone open it.
  if (transcript_.done("complete") && !transcript_.done("spare") && plan_.spare != Spare::none)
    return base::Error(
        Errc::ceremony,
        "this record was closed without a spare token: say --no-spare, or begin another record");
  if (!transcript_.signatures().empty()) return base::ok();
  if (!transcript_.done("main")) {
    if (!transcript_.begun("main")) SIGILLO_CHECK(take_old_shares());
    if (!transcript_.done("shares")) SIGILLO_CHECK(give_new_shares());
    SIGILLO_CHECK(change_pin(Which::main));
  }
  if (!transcript_.done("spare") && plan_.spare == Spare::here) SIGILLO_CHECK(change_pin(Which::spare));
  if (!transcript_.done("spare") && plan_.spare == Spare::later) return leave_spare();
  return complete();
}

// ---- the two PINs
// -----------------------------------------------------------------------------------------------------------

base::Result<void> Renewal::need_old() {
  if (!old_.empty()) return base::ok();
  const auto* taken = transcript_.find("old-shares", "done");
  const std::string set = taken == nullptr ? "" : std::string(taken->facts.at("set").as_string());
  SIGILLO_TRY(auto gathered, desk("old-shares")
                                 .gather(base::ShareKind::authorisation, set, 0,
                                         "The custodians of now give their OLD shares" +
                                             (set.empty() ? std::string() : " (set " + set + ")") +
                                             ", as many as open the appliance, in any order."));
  old_ = std::move(gathered.pin);
  old_set_ = std::move(gathered.of);
  return base::ok();
}

base::Result<void> Renewal::need_new() {
  if (!new_.empty()) return base::ok();
  SIGILLO_TRY(auto gathered, desk("new-shares")
                                 .gather(base::ShareKind::authorisation, new_set(), plan_.threshold,
                                         "The new PIN was given away in shares before the interruption, so " +
                                             any_of() + " give their NEW shares (set " + new_set() + ")."));
  new_ = std::move(gathered.pin);
  return base::ok();
}

// The old PIN is tried before anybody writes a line: what is refused, or not there, is to be known now. Which
// set is the old one is written down only when it has opened them, or papers that are dead would be asked for
// ever after.
base::Result<void> Renewal::take_old_shares() {
  SIGILLO_CHECK(need_old());
  SIGILLO_CHECK(look_at(Which::main));
  if (plan_.spare == Spare::here) SIGILLO_CHECK(look_at(Which::spare));
  if (transcript_.done("old-shares")) return base::ok();
  return note("old-shares", "done", "The old shares were given, and open what they are for.",
              {{"set", old_set_.set}, {"threshold", old_set_.threshold}, {"count", old_set_.count}});
}

base::Result<void> Renewal::look_at(Which which) {
  const auto& config = config_of(which);
  dialogue_.runs("C_Login to " + token_name(config) + " with the old PIN");
  {
    SIGILLO_TRY(const auto token, appliance::open_ceremony_token(config, old_));
    static_cast<void>(token);
  }
  SIGILLO_TRY(serials_[static_cast<int>(which)], hsm::check_pin_can_be_set(place_of(which), kPinLength));
  const auto serial = serial_of(which);
  if (which == Which::main || serial.empty() || serial != serial_of(Which::main)) return base::ok();
  return base::Error(Errc::ceremony, "the spare's configuration names the main token: name the spare");
}

// As it was when it was looked at, in this run or in one before: whose change was begun is found again by its
// serial number, whatever a configuration names by now.
std::string Renewal::serial_of(Which which) const {
  if (const auto& seen = serials_[static_cast<int>(which)]; !seen.empty()) return seen;
  const auto* begun = transcript_.find(kSteps[static_cast<int>(which)], "begun");
  return begun == nullptr ? std::string() : std::string(begun->facts.at("serial").as_string());
}

hsm::TokenPlace Renewal::place_of(Which which) const {
  const auto& config = config_of(which);
  const auto serial = serial_of(which);
  return {config.module, config.token_label, serial.empty() ? config.token_serial : serial,
          config.init_arguments};
}

// Until all are given the new PIN is in this process alone, and opens nothing: where it ends between, another
// one is drawn.
base::Result<void> Renewal::give_new_shares() {
  dialogue_.heading("The new shares");
  if (transcript_.find("shares", "given") != nullptr)
    dialogue_.say(
        "This was interrupted before every custodian had a new share. The new shares that were shown are "
        "dead: tear them up. The old ones are as they were.");
  dialogue_.say(
      "A new PIN is drawn, and each custodian gets one share of it: " + any_of() +
      " together will open the appliance, and fewer learn nothing. Each comes to the terminal alone, with "
      "paper and a pen; the others stand where they do not see it. A share is shown once. The tokens keep "
      "the old PIN until the last paper is proved.");
  auto split =
      base::split_new_pin(plan_.appliance, plan_.threshold, static_cast<unsigned>(plan_.custodians.size()));
  if (!split) return base::Error(Errc::ceremony, "the threshold does not fit the custodians");
  SIGILLO_TRY(auto facts, desk("shares").give(*split, plan_.custodians));
  SIGILLO_CHECK(note("shares", "done", "Every new custodian has a share of the new PIN, and proved it.",
                     std::move(facts)));
  new_ = std::move(split->pin);
  return base::ok();
}

// ---- the tokens
// -------------------------------------------------------------------------------------------------------------

base::Result<bool> Renewal::was_changed(Which which) {
  const char* const step = kSteps[static_cast<int>(which)];
  const std::string name = token_name(config_of(which));
  dialogue_.runs("C_Login to " + name + " with the new PIN: was it changed before the interruption?");
  const auto opened = hsm::opens_with(place_of(which), new_);
  const bool known = transcript_.find(step, "unchanged") != nullptr;
  // One more wrong try would lock it, and it refused the new PIN before: had it taken the old one since, its
  // count would have begun anew. So nothing was changed, and the try that is left is the old PIN's.
  if (!opened && opened.error().is(hsm::Errc::credential) && known) return false;
  if (!opened) return opened.error();
  if (!*opened && !known) SIGILLO_CHECK(note(step, "unchanged", name + " had the old PIN still."));
  return *opened;
}

// Attack, or a bad day: (1) C_SetPIN is called, (2) the power goes, (3) nobody knows which PIN the token has,
// and guesses lock it. So what is begun is written down first, and after that the new PIN is tried once,
// then the old one, and a right one sets the token's count back.
base::Result<void> Renewal::change_pin(Which which) {
  const char* const step = kSteps[static_cast<int>(which)];
  const auto& config = config_of(which);
  const std::string name = token_name(config);
  dialogue_.heading("The PIN of " + name);
  SIGILLO_CHECK(need_old());
  SIGILLO_CHECK(need_new());
  const bool again = transcript_.begun(step);
  if (!again && serial_of(which).empty()) SIGILLO_CHECK(look_at(which));
  SIGILLO_TRY(const bool go,
              dialogue_.confirm("Every new paper is proved. Shall the PIN of " + name + " be changed now?"));
  if (!go) return base::Error(Errc::ceremony, "the renewal was stopped by the people in the room");
  if (which == Which::main) SIGILLO_CHECK(wait_until_stopped());
  SIGILLO_CHECK(appliance::check_module_owner(config));
  point_at(config);
  bool has_new = false;
  if (again) {
    SIGILLO_TRY(has_new, was_changed(which));
    dialogue_.table(has_new ? "yes" : "no");
  } else {
    SIGILLO_CHECK(note(step, "begun", "The PIN of " + name + " is about to be changed.",
                       {{"token", name}, {"serial", serial_of(which)}}));
  }
  if (!has_new) {
    dialogue_.runs("C_SetPIN as CKU_USER on " + name + ", and C_Login with the new PIN");
    SIGILLO_CHECK(
        hsm::change_user_pin(place_of(which), old_, new_, again ? hsm::LastTry::given : hsm::LastTry::kept));
  }
  // Who typed new shares too early had their PIN refused, and it would not be tried again: now it is right.
  std::error_code ignored;
  std::filesystem::remove(config.refused_pin_file, ignored);
  return note(step, "done", name + " has the new PIN: the new shares open it, and the old ones do not.",
              {{"token", name}, {"serial", serial_of(which)}, {"was_changed_before", has_new}});
}

// Only now: it must not be stopped for shares that do not open it again. One that ran on would have the old
// PIN, and lose the token at the next hiccup.
base::Result<void> Renewal::wait_until_stopped() {
  while (const auto running = running_()) {
    dialogue_.warn(*running +
                   " Stop it now; it is started again at the end, and opened with the new shares.");
    SIGILLO_TRY(const bool stopped, dialogue_.confirm("Is it stopped?"));
    if (!stopped) return base::Error(Errc::ceremony, "the appliance was not stopped");
  }
  return base::ok();
}

base::Result<void> Renewal::leave_spare() {
  if (transcript_.begun("spare"))
    return base::Error(Errc::ceremony, "the spare's PIN was about to be changed: name it with --spare");
  dialogue_.warn(
      "The spare token was left out: it keeps the old PIN, and only the OLD shares open it. Keep the old "
      "papers, apart from the new ones, until the same command was run with --spare; that needs both sets.");
  return note("spare", "left-out", "The spare token was left out: the old shares still open it.");
}

base::Result<void> Renewal::complete() {
  dialogue_.heading("The signature");
  SIGILLO_CHECK(need_new());
  dialogue_.runs("C_Login to " + token_name(plan_.main) + "; C_Sign with sigillo.ledger over the record");
  SIGILLO_TRY(const auto token, appliance::open_ceremony_token(plan_.main, new_));
  SIGILLO_TRY(const auto keys, appliance::KeyRegister::read(*token));
  const auto* entry = keys.active(appliance::KeyLabels::ledger);
  const auto ledger = entry == nullptr ? std::nullopt : base::EcPublicKey::from_point(entry->point);
  if (!ledger) return base::Error(hsm::Errc::no_such_key, "the token has no active ledger key");
  if (!transcript_.done("complete"))
    SIGILLO_CHECK(
        note("complete", "done",
             transcript_.done("spare")
                 ? "The authorisation shares were renewed: the old ones open nothing any more."
             : transcript_.begun("spare")
                 ? "The authorisation shares were renewed. Which PIN the spare token has is not known."
                 : "The authorisation shares were renewed. No spare token has their PIN.",
             {{"signs_as", "ledger"},
              {"public_key", json::parse(ledger->to_jwk(entry->kid(), "sig"))},
              {"set", new_set()}}));
  if (transcript_.signatures().empty()) {
    SIGILLO_TRY(const auto key, token->find_key(entry->id()));
    SIGILLO_TRY(auto signature, token->sign(key, transcript_.signing_digest()));
    SIGILLO_CHECK(transcript_.sign({"ledger", ledger->thumbprint(), std::move(signature)}));
  }
  dialogue_.table("record " + base::to_hex(transcript_.signing_digest()));
  dialogue_.say(
      "Write that digest into the minutes. Every paper of the old set is destroyed now, before witnesses. "
      "Then the appliance is started, and opened with the new shares.");
  return base::ok();
}

}  // namespace sigillo::provisioning
