// The steps before any token is touched: the machine, the people, and the officers' keys.
#include <boost/json/parse.hpp>

#include <provisioning/officer_key.hpp>

#include "ceremony.hpp"

namespace sigillo::provisioning {

namespace json = boost::json;

Ceremony::Done Ceremony::check_machine() {
  dialogue_.say(
      "The machine looks at itself. A failure ends the ceremony before anything is made; of a warning the "
      "people in the room decide.");
  dialogue_.runs("look at the module, its tokens, the folder, the disk, swap, the terminal and the clock");
  bool failed = false, warned = false;
  json::array findings;
  for (const auto& finding : machine_.check(transcript_.begun("token"))) {
    dialogue_.table(std::string(name(finding.weight)) + ": " + finding.what);
    if (!finding.advice.empty()) dialogue_.table("         " + finding.advice);
    failed |= finding.weight == Finding::Weight::failure;
    warned |= finding.weight == Finding::Weight::warning;
    findings.emplace_back(std::string(name(finding.weight)) + ": " + finding.what);
  }
  if (failed) return base::Error(Errc::ceremony, "the machine is not fit for a ceremony");
  if (warned) {
    SIGILLO_TRY(const bool go_on,
                dialogue_.confirm("There are warnings. Does the ceremony go on all the same?"));
    if (!go_on) return base::Error(Errc::ceremony, "the ceremony was stopped by the people in the room");
  }
  const std::string now = machine_.now();
  dialogue_.say("The machine's clock says " + now + " (UTC). Compare it with a watch.");
  SIGILLO_TRY(const bool right, dialogue_.confirm("Is the clock right, to the minute?"));
  if (!right) return base::Error(Errc::ceremony, "the clock is wrong: set it, and begin again");
  return json::object{{"findings", std::move(findings)}, {"clock", now}};
}

Ceremony::Done Ceremony::call_people() {
  dialogue_.say("Whoever leads the ceremony reads the names aloud, and sees an identity document of each.");
  json::array who;
  for (const auto& officer : plan_.officers) {
    dialogue_.table("officer    " + officer.name + " (" + officer.id + ')');
    who.emplace_back("officer " + officer.name);
  }
  for (const auto& custodian : plan_.custodians) {
    dialogue_.table("custodian  " + custodian.name);
    who.emplace_back("custodian " + custodian.name);
  }
  SIGILLO_TRY(const bool here, dialogue_.confirm("Are all of them in the room, and nobody else?"));
  if (!here)
    return base::Error(Errc::ceremony, "somebody is missing or too many: come back when all are here");
  return json::object{{"present", std::move(who)}};
}

Ceremony::Done Ceremony::enrol_officers() {
  dialogue_.say(
      "Each officer chooses a password of at least " + std::to_string(kPasswordMin) +
      " characters for a key of their own. It is typed alone, and nobody can set it anew. The key is made "
      "here and leaves on a medium of the officer's own; the appliance gets its public half only.");
  json::array enrolled;
  for (const auto& officer : plan_.officers) {
    const auto* before = transcript_.find("officers", ("enrolled " + officer.id).c_str());
    if (before != nullptr) {
      dialogue_.table(officer.name + ": done at " + before->time);
      enrolled.emplace_back(officer.id);
      continue;
    }
    SIGILLO_TRY(const auto key, enrol(officer));
    SIGILLO_CHECK(note("officers", ("enrolled " + officer.id).c_str(), officer.name + " has a key.",
                       {{"officer", officer.id},
                        {"name", officer.name},
                        {"signs_as", "officer:" + officer.id},
                        {"public_key", json::parse(key.to_jwk("officer:" + officer.id, "sig"))}}));
    dialogue_.table(officer.name + ": key " + (dialogue_.rehearsal() ? "[43 characters]" : key.thumbprint()));
    enrolled.emplace_back(officer.id);
  }
  return json::object{{"officers", std::move(enrolled)}};
}

base::Result<base::EcPublicKey> Ceremony::enrol(const Attendant& officer) {
  const Typed typed{"a password that " + officer.name + " chooses", "rehearsal"};
  for (;;) {
    SIGILLO_TRY(const auto password, dialogue_.ask_secret("New password of " + officer.name, typed));
    if (password.size() < kPasswordMin) {
      dialogue_.warn("That is shorter than " + std::to_string(kPasswordMin) + " characters.");
      continue;
    }
    SIGILLO_TRY(const auto again, dialogue_.ask_secret("The same once more", {"the same", "rehearsal"}));
    if (!base::constant_time_equal(password, again)) {
      dialogue_.warn("The two are not the same: type both anew.");
      continue;
    }
    dialogue_.runs("make a P-256 key, encrypted with that password: officers/" + officer.id + ".key");
    return machine_.make_officer_key(officer.id, password);
  }
}

}  // namespace sigillo::provisioning
