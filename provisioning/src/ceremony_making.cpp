// The steps that need the token open: keys, backup, certificates, store, first checkpoint, configuration.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "ceremony.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;

json::array facts_of(const std::vector<KeyLine>& keys) {
  json::array out;
  for (const auto& key : keys)
    out.push_back(json::object{
        {"kid", key.kid}, {"type", key.type}, {"state", key.state}, {"check_value", key.check_value}});
  return out;
}

std::string padded(std::string text, std::size_t to) {
  text.resize(std::max(text.size(), to), ' ');
  return text;
}

std::string line_of(const KeyLine& key) {
  return padded(key.kid, 22) + padded(key.type, 14) + padded(key.state, 11) + key.check_value;
}

}  // namespace

Ceremony::Done Ceremony::make_keys() {
  SIGILLO_CHECK(need_token());
  dialogue_.say(
      "The HSM makes all keys of the appliance. They are open for the backup and used for nothing until "
      "that is proven. Two officers read the check values aloud and write them into the minutes.");
  dialogue_.runs("C_GenerateKey and C_GenerateKeyPair: private, sensitive, of one use each");
  SIGILLO_TRY(const auto keys, machine_.make_keys());
  dialogue_.table(padded("key", 22) + padded("type", 14) + padded("state", 11) + "check value");
  for (const auto& key : keys) dialogue_.table(line_of(key));
  SIGILLO_CHECK(dialogue_.wait("Are the check values in the minutes?"));
  return json::object{{"keys", facts_of(keys)}};
}

Ceremony::Done Ceremony::back_up() {
  SIGILLO_CHECK(need_token());
  SIGILLO_CHECK(need_backup_key());
  dialogue_.say(
      "The keys are wrapped under the backup's key into one file, restored from that file into the spare "
      "token, and compared by their check values. Only where all agree are they closed for good: from then "
      "on no key can leave its token.");
  dialogue_.runs("C_WrapKey with AES key wrap (RFC 5649): backup/keys.json");
  SIGILLO_TRY(const auto digest, machine_.wrap_backup(backup_key_));
  dialogue_.table("SHA-256 of the file " + digest);
  dialogue_.runs("C_Logout; C_Login to " + plan_.spare_label + "; C_UnwrapKey from the file; check values");
  SIGILLO_TRY(const auto proven, machine_.prove_backup(backup_key_));
  for (const auto& key : proven)
    dialogue_.table(padded(key.kid, 22) + padded("on the spare", 25) + key.check_value);
  dialogue_.runs("C_Login to " + plan_.token_label +
                 "; C_UnwrapKey not extractable; C_DestroyObject of the open keys");
  SIGILLO_TRY(const auto keys, machine_.commit_backup(backup_key_));
  for (const auto& key : keys) dialogue_.table(line_of(key));
  backup_key_.wipe();
  return json::object{{"backup_sha256", digest}, {"proof", facts_of(proven)}, {"keys", facts_of(keys)}};
}

Ceremony::Done Ceremony::make_certificates() {
  SIGILLO_CHECK(need_token());
  dialogue_.say("The CA of the channels and the server's certificate are made; both keys are in the HSM.");
  dialogue_.runs("C_Sign with sigillo.ca: ca.pem, server.pem");
  SIGILLO_TRY(const auto certificates, machine_.make_certificates());
  json::array facts;
  for (const auto& certificate : certificates) {
    dialogue_.table(certificate.file + ": " + certificate.subject + ", until " + certificate.until);
    dialogue_.table("    SHA-256 " + certificate.sha256);
    facts.push_back(json::object{{"file", certificate.file},
                                 {"subject", certificate.subject},
                                 {"until", certificate.until},
                                 {"sha256", certificate.sha256}});
  }
  return json::object{{"certificates", std::move(facts)}};
}

Ceremony::Done Ceremony::found_store() {
  SIGILLO_CHECK(need_token());
  dialogue_.say(
      "The store is founded under the HSM's keys, with the officers in it, and its first anchor set.");
  std::vector<EnrolledOfficer> officers;
  for (const auto& officer : plan_.officers) {
    const auto* line = transcript_.find("officers", "enrolled " + officer.id);
    auto key = base::EcPublicKey::from_jwk(json::serialize(line->facts.at("public_key")));
    officers.push_back({officer.id, std::move(*key)});
    dialogue_.table("officer " + officer.id + ", " + officer.name);
  }
  dialogue_.runs("make store/sigillo.db and open it; C_CreateObject for the anchor");
  SIGILLO_CHECK(machine_.found_store(officers));
  return json::object{{"officers", officers.size()}};
}

Ceremony::Done Ceremony::sign_checkpoint() {
  SIGILLO_CHECK(need_token());
  dialogue_.say(
      "The ledger's beginning is signed. Whoever verifies the ledger later holds the key below, and not the "
      "one that somebody sends along.");
  dialogue_.runs("C_Sign with sigillo.ledger: checkpoint, ledger-key.jwks");
  SIGILLO_TRY(const auto checkpoint, machine_.sign_checkpoint());
  dialogue_.table("ledger key " + (dialogue_.rehearsal() ? std::string("[43 characters]")
                                                         : checkpoint.ledger_key.thumbprint()));
  return json::object{{"signs_as", "ledger"},
                      {"public_key", json::parse(checkpoint.ledger_key.to_jwk("sigillo.ledger-v1", "sig"))},
                      {"checkpoint", checkpoint.note}};
}

Ceremony::Done Ceremony::put_configuration() {
  dialogue_.say(
      "The configuration is put in place: the production profile, and no PIN in any file, so that the "
      "appliance starts sealed.");
  dialogue_.runs("rename to sigillo.toml");
  SIGILLO_TRY(const auto path, machine_.put_configuration());
  dialogue_.table(path);
  return json::object{{"configuration", path}};
}

}  // namespace sigillo::provisioning
