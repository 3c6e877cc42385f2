// The steps before any token is touched: the machine, the people, and the officers' keys.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <base/ecdsa.hpp>
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
      "Each officer has a key of their own, of which the appliance gets the public half only. Where it is "
      "made "
      "here, its officer chooses a password of at least " +
      std::to_string(kPasswordMin) +
      " characters: it is typed alone, and nobody can set it anew; the key leaves on a medium of the "
      "officer's "
      "own. Whoever brings a key in a token puts that in, and types its PIN: here, or at the reader where "
      "that has "
      "a pad.");
  json::array enrolled;
  for (const auto& officer : plan_.officers) {
    const auto* before = transcript_.find("officers", ("enrolled " + officer.id).c_str());
    if (before != nullptr) {
      dialogue_.table(officer.name + ": done at " + before->time);
      enrolled.emplace_back(officer.id);
      continue;
    }
    SIGILLO_TRY(const auto key, enrol(officer));
    if (const auto other = whose(key); !other.empty())
      return base::Error(Errc::officer_key, "that is the key of another officer: one key is one person");
    SIGILLO_CHECK(note("officers", ("enrolled " + officer.id).c_str(), officer.name + " has a key.",
                       {{"officer", officer.id},
                        {"name", officer.name},
                        {"signs_as", "officer:" + officer.id},
                        {"key_in", officer.key.empty() ? "file" : "token"},
                        {"public_key", json::parse(key.to_jwk("officer:" + officer.id, "sig"))}}));
    dialogue_.table(officer.name + ": key " + (dialogue_.rehearsal() ? "[43 characters]" : key.thumbprint()));
    enrolled.emplace_back(officer.id);
  }
  return json::object{{"officers", std::move(enrolled)}};
}

// The officer who has this key already; nobody's in a rehearsal, where all have one.
std::string Ceremony::whose(const base::EcPublicKey& key) const {
  for (const auto& line : transcript_.lines()) {
    const auto *as = line.facts.if_contains("signs_as"), *jwk = line.facts.if_contains("public_key");
    if (dialogue_.rehearsal() || as == nullptr || jwk == nullptr) continue;
    const auto other = base::EcPublicKey::from_jwk(json::serialize(*jwk));
    if (other && other->thumbprint() == key.thumbprint()) return std::string(as->as_string());
  }
  return {};
}

template <class T>
base::Result<T> Ceremony::with_token(
    const Attendant& officer, const char* what,
    const std::function<std::variant<T, appliance::ActionFailure>(const AskPin&)>& act) {
  std::optional<base::Error> lost;
  const AskPin ask = [&](const hsm::TokenUri& uri, const hsm::PinState& state) {
    if (state.wrong_before) dialogue_.warn("A wrong PIN was given to this token before.");
    auto pin = dialogue_.ask_secret("PIN of the token " + uri.shown(),
                                    {"the PIN of the token of " + officer.name, "rehearsal"});
    if (!pin) lost = pin.error();
    return pin;
  };
  for (;;) {
    SIGILLO_CHECK(dialogue_.wait(officer.name + " puts the token in."));
    dialogue_.runs(what);
    auto done = act(ask);
    if (auto* good = std::get_if<T>(&done)) return std::move(*good);
    if (lost) return *lost;
    dialogue_.warn(std::get<appliance::ActionFailure>(done).what);
    SIGILLO_TRY(const bool again, dialogue_.confirm("Shall it be tried again?"));
    if (!again) return base::Error(Errc::ceremony, "the ceremony was stopped by the people in the room");
  }
}

base::Result<base::EcPublicKey> Ceremony::enrol(const Attendant& officer) {
  if (officer.key.empty()) return make_key(officer);
  return with_token<base::EcPublicKey>(
      officer, "find the key in the token, C_Login, C_Sign of a challenge, in a process of its own",
      [&](const AskPin& ask) { return machine_.bring_officer_token(officer, ask); });
}

// With the key that was enrolled, and not with that of another token.
std::variant<base::Bytes, appliance::ActionFailure> Ceremony::signed_by_token(const Attendant& officer,
                                                                              const AskPin& ask,
                                                                              const base::Digest& digest) {
  auto signature = machine_.sign_in_officer_token(officer, ask, digest);
  const auto* raw = std::get_if<base::Bytes>(&signature);
  if (raw == nullptr || dialogue_.rehearsal()) return signature;
  const auto* enrolled = transcript_.find("officers", "enrolled " + officer.id);
  const auto key = base::EcPublicKey::from_jwk(json::serialize(enrolled->facts.at("public_key")));
  if (base::ecdsa_verify(*key, digest, base::ecdsa_der(*raw))) return signature;
  return appliance::ActionFailure{
      "invalid", "Not signed: that is another key than the one of step 3. Put the same token in.", {}};
}

// Tried until the password is right: nothing is locked by a wrong one. A token's PIN is another matter, and
// each try is the officer's own.
base::Result<base::Bytes> Ceremony::signature_of(const Attendant& officer) {
  const auto digest = transcript_.signing_digest();
  if (!officer.key.empty())
    return with_token<base::Bytes>(officer, "C_Sign with the key in the token over the transcript's digest",
                                   [&](const AskPin& ask) { return signed_by_token(officer, ask, digest); });
  for (unsigned wrong = 1;; ++wrong) {
    SIGILLO_TRY(const auto password, dialogue_.ask_secret("Password of " + officer.name + ", to sign",
                                                          {"the password of " + officer.name, "rehearsal"}));
    auto signature = machine_.sign_as_officer(officer.id, password, digest);
    if (signature) return signature;
    dialogue_.warn("Not signed: " + std::string(signature.error().detail()) + ". That was try " +
                   std::to_string(wrong) +
                   "; nothing is locked by it. Type the password that was chosen in step 3.");
  }
}

base::Result<base::EcPublicKey> Ceremony::make_key(const Attendant& officer) {
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
