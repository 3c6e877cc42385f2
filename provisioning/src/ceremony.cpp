#include "ceremony.hpp"

#include <algorithm>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace sigillo::provisioning {

// In this order. Officers come before keys, because keys are made under them; shares before keys, because
// what a kill loses before its shares are given must be worth nothing.
const Ceremony::Step Ceremony::kSteps[] = {
    {"machine", "The machine", "The machine was checked and its clock found right.",
     &Ceremony::check_machine},
    {"people", "The people", "Those who are named were there.", &Ceremony::call_people},
    {"officers", "The officers' keys", "Every officer has a key with a password of their own.",
     &Ceremony::enrol_officers},
    {"token", "The tokens", "Two tokens were prepared under a PIN that nobody has seen.",
     &Ceremony::prepare_tokens},
    {"shares", "The authorisation shares", "Every custodian has a share of the PIN, and proved it.",
     &Ceremony::give_pin_shares},
    {"so-pin", "The security officer's PIN", "The tokens' security officer has a PIN that nobody knows.",
     &Ceremony::close_security_officer},
    {"keys", "The keys", "All keys were made in the token.", &Ceremony::make_keys},
    {"backup-shares", "The backup shares", "Every custodian has a share of the backup's key, and proved it.",
     &Ceremony::give_backup_shares},
    {"backup", "The backup and its proof",
     "The keys were backed up, proven on the spare token, and closed for good.", &Ceremony::back_up},
    {"certificates", "The certificates", "The channel CA and the server have certificates.",
     &Ceremony::make_certificates},
    {"store", "The store", "The store was founded with the officers in it.", &Ceremony::found_store},
    {"checkpoint", "The first checkpoint", "The ledger's beginning was signed by the HSM.",
     &Ceremony::sign_checkpoint},
    {"complete", "The configuration", "The configuration was put in place: the ceremony is complete.",
     &Ceremony::put_configuration},
};
const std::size_t Ceremony::kStepCount = std::size(Ceremony::kSteps);

std::string Ceremony::any_of() const {
  return "any " + std::to_string(plan_.threshold) + " of the " + std::to_string(plan_.custodians.size()) +
         " custodians";
}

base::Result<void> Ceremony::note(std::string_view step, const char* event, std::string said,
                                  boost::json::object facts) {
  // What is signed stands: nothing is added behind it.
  if (transcript_.done("complete")) return base::ok();
  return transcript_.append({machine_.now(), std::string(step), event, std::move(said), std::move(facts)});
}

base::Result<void> Ceremony::open_book() {
  const std::string digest = base::to_hex(base::sha256({base::view(plan_.text)}));
  if (transcript_.lines().empty()) {
    boost::json::array custodians, officers;
    for (const auto& custodian : plan_.custodians) custodians.emplace_back(custodian.name);
    for (const auto& officer : plan_.officers) officers.emplace_back(officer.id + " (" + officer.name + ')');
    return note("plan", "begun", "A key ceremony was begun.",
                {{"schema", "sigillo.ceremony/1"},
                 {"appliance", plan_.appliance},
                 {"plan_sha256", digest},
                 {"threshold", plan_.threshold},
                 {"custodians", std::move(custodians)},
                 {"officers", std::move(officers)}});
  }
  const auto* begun = transcript_.find("plan", "begun");
  const auto* was = begun == nullptr ? nullptr : begun->facts.if_contains("plan_sha256");
  if (was == nullptr || !was->is_string() || std::string_view(was->get_string()) != digest)
    return base::Error(Errc::ceremony, "the ceremony in this folder was begun with another plan");
  const auto* last = &transcript_.lines().back();
  dialogue_.say("This ceremony was begun at " + begun->time +
                " and is gone on with. The last thing done, at " + last->time + ": " + last->said);
  return note("plan", "resumed", "The ceremony was interrupted, and is gone on with.");
}

base::Result<void> Ceremony::go_through(const Step& step, std::size_t number) {
  const std::string title =
      "Step " + std::to_string(number) + " of " + std::to_string(kStepCount + 1) + ": " + step.title;
  if (transcript_.done(step.id)) {
    dialogue_.table(title + ": done at " + transcript_.find(step.id, "done")->time);
    return base::ok();
  }
  for (;;) {
    dialogue_.heading(title);
    auto facts = (this->*step.run)();
    if (facts) return note(step.id, "done", step.said, std::move(*facts));
    if (facts.error().is(Errc::terminal) || facts.error().is(Errc::ceremony)) return facts.error();
    dialogue_.warn("This step failed" + (machine_.doing().empty() ? "" : " while " + machine_.doing()) +
                   ": " + sentence(facts.error()) + '.');
    SIGILLO_CHECK(note(step.id, "failed", sentence(facts.error())));
    SIGILLO_TRY(const bool again, dialogue_.confirm("Correct that. Shall this step be tried again now?"));
    if (!again) return base::Error(Errc::ceremony, "the ceremony was stopped by the people in the room");
  }
}

base::Result<void> Ceremony::hold() {
  dialogue_.say("Key ceremony of the appliance " + plan_.appliance + ": " +
                std::to_string(plan_.officers.size()) + " officers, " +
                std::to_string(plan_.custodians.size()) + " custodians of whom any " +
                std::to_string(plan_.threshold) + " together open it. Everything that is made goes to " +
                plan_.folder.string() +
                ". It can be stopped at any question with Ctrl-C: the same command goes on "
                "where it was.");
  SIGILLO_CHECK(open_book());
  for (std::size_t i = 0; i < kStepCount; ++i) SIGILLO_CHECK(go_through(kSteps[i], i + 1));
  SIGILLO_CHECK(sign());
  say_what_comes();
  return base::ok();
}

base::Result<void> Ceremony::sign() {
  const auto signed_by = [this](const std::string& by) {
    return std::ranges::any_of(transcript_.signatures(),
                               [&](const TranscriptSignature& signature) { return signature.by == by; });
  };
  dialogue_.heading("Step " + std::to_string(kStepCount + 1) + " of " + std::to_string(kStepCount + 1) +
                    ": The signatures");
  dialogue_.say(
      "The transcript is signed by the HSM's ledger key and by every officer. Its digest is on the screen: "
      "write it into the minutes, and all sign the minutes by hand.");
  dialogue_.table("transcript " + (dialogue_.rehearsal() ? std::string("[64 characters]")
                                                         : base::to_hex(transcript_.signing_digest())));
  if (!signed_by("ledger")) {
    SIGILLO_CHECK(need_token());
    dialogue_.runs("C_Sign with sigillo.ledger over the transcript's digest");
    SIGILLO_TRY(auto signature, machine_.sign_as_ledger(transcript_.signing_digest()));
    const auto* line = transcript_.find("checkpoint", "done");
    const auto key = base::EcPublicKey::from_jwk(boost::json::serialize(line->facts.at("public_key")));
    SIGILLO_CHECK(transcript_.sign({"ledger", key->thumbprint(), std::move(signature)}));
  }
  for (const auto& officer : plan_.officers) {
    if (!signed_by("officer:" + officer.id)) SIGILLO_CHECK(sign_by_officer(officer));
  }
  return base::ok();
}

base::Result<void> Ceremony::sign_by_officer(const Attendant& officer) {
  SIGILLO_TRY(auto signature, signature_of(officer));
  const auto* enrolled = transcript_.find("officers", "enrolled " + officer.id);
  const auto key = base::EcPublicKey::from_jwk(boost::json::serialize(enrolled->facts.at("public_key")));
  dialogue_.say(officer.name + " has signed.");
  return transcript_.sign({"officer:" + officer.id, key->thumbprint(), std::move(signature)});
}

void Ceremony::say_what_comes() {
  const std::string config = (plan_.folder / "sigillo.toml").string();
  const std::string transcript = (plan_.folder / "transcript.jsonl").string();
  dialogue_.heading("The ceremony is complete");
  dialogue_.say("What is to be done now, in this order:");
  dialogue_.say("1. Check the transcript, here and on another machine, and file it with the minutes:");
  dialogue_.table("sigillo ceremony verify " + transcript);
  dialogue_.say(
      "2. Each officer takes the key to a medium of their own and removes it here (the .pub files may stay), "
      "or "
      "takes the token out:");
  for (const auto& officer : plan_.officers)
    dialogue_.table(officer.key.empty() ? (plan_.folder / "officers" / (officer.id + ".key")).string()
                                        : "the token of " + officer.name);
  dialogue_.say(
      "3. The backup goes to another place than the spare token, and than any two custodians' shares:");
  dialogue_.table((plan_.folder / "backup" / "keys.json").string());
  dialogue_.say("4. Start the appliance. It starts sealed, and answers nothing but that:");
  dialogue_.table("sigillod --config " + config);
  dialogue_.say("5. Custodians open it, " + any_of() + ", one after the other, each at the prompt:");
  for (unsigned i = 0; i < plan_.threshold; ++i) dialogue_.table("sigillo unseal --share --config " + config);
  dialogue_.say("6. See that it serves:");
  dialogue_.table("sigillo status --config " + config);
  dialogue_.say("7. Two officers enrol the channels: docs/CEREMONY.md has the commands.");
}

}  // namespace sigillo::provisioning
