// Acts of officers: what is refused, one scenario each. Every one starts from an act that is good.
#include <gtest/gtest.h>

#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include <appliance/officers.hpp>

namespace sigillo::appliance {
namespace {

constexpr base::Instant kNow{1'800'000'000'000};
constexpr const char* kAppliance = "AAAAAAAAAAAAAAAAAAAAAA";

// r || s, by a key in the process.
base::Bytes sign(const base::EcPrivateKey& key, std::string_view text) {
  const auto digest = act_digest(text);
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
      EVP_PKEY_CTX_new(key.get(), nullptr), EVP_PKEY_CTX_free);
  base::Bytes der(128);
  std::size_t size = der.size();
  EXPECT_EQ(EVP_PKEY_sign_init(context.get()), 1);
  EXPECT_EQ(EVP_PKEY_sign(context.get(), der.data(), &size, digest.data(), digest.size()), 1);
  const unsigned char* at = der.data();
  const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> parsed(
      d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)), ECDSA_SIG_free);
  base::Bytes out(64);
  EXPECT_EQ(BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), out.data(), 32), 32);
  EXPECT_EQ(BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), out.data() + 32, 32), 32);
  return out;
}

class ActTest : public testing::Test {
 protected:
  ActTest() {
    for (const auto& [name, key] : {std::pair("anna", &anna_), std::pair("bruno", &bruno_)})
      enrol(name, *key);
  }
  void enrol(const std::string& name, const base::EcPrivateKey& key,
             OfficerStatus status = OfficerStatus::active) {
    officers_.push_back({name, status, key.public_key().point(), kNow});
  }
  std::string text() const { return act_text(act_); }
  SignedAct signed_by_both() const {
    return {text(), {{"anna", sign(anna_, text())}, {"bruno", sign(bruno_, text())}}};
  }
  ActCheck check(const SignedAct& act) const {
    return check_act(act, officers_, {kAppliance, "keys.rotate", 2, kNow});
  }
  void expect(const SignedAct& act, ActRefusal refusal, const std::string& about = {}) const {
    const auto checked = check(act);
    ASSERT_TRUE(checked.refusal.has_value());
    EXPECT_EQ(sentence(*checked.refusal), sentence(refusal));
    EXPECT_EQ(checked.about, about);
    EXPECT_TRUE(checked.officers.empty());
  }

  base::EcPrivateKey anna_ = base::EcPrivateKey::generate(), bruno_ = base::EcPrivateKey::generate();
  Officers officers_;
  Act act_{kAppliance, "keys.rotate", {{"label", "verifier"}}, random_nonce(), kNow, kNow + base::hours(1)};
};

TEST_F(ActTest, TwoOfficersAreEnough) {
  const auto checked = check(signed_by_both());
  EXPECT_FALSE(checked.refusal);
  EXPECT_EQ(checked.officers, (std::vector<std::string>{"anna", "bruno"}));
  EXPECT_EQ(checked.act.parameters.at("label").as_string(), "verifier");
}

TEST_F(ActTest, OneIsNot) {
  auto act = signed_by_both();
  act.signatures.pop_back();
  expect(act, ActRefusal::too_few_signatures);
}

TEST_F(ActTest, TheSameOfficerTwiceIsOne) {
  auto act = signed_by_both();
  act.signatures[1] = {"anna", sign(anna_, act.text)};
  expect(act, ActRefusal::same_officer, "anna");
}

TEST_F(ActTest, TwoNamesWithOneKeyAreOne) {
  enrol("carla", anna_);
  auto act = signed_by_both();
  act.signatures[1] = {"carla", sign(anna_, act.text)};
  expect(act, ActRefusal::same_key, "carla");
}

TEST_F(ActTest, ASuspendedOfficerSignsNothing) {
  officers_[1].status = OfficerStatus::suspended;
  expect(signed_by_both(), ActRefusal::inactive_officer, "bruno");
}

TEST_F(ActTest, ARevokedOfficerSignsNothing) {
  officers_[0].status = OfficerStatus::revoked;
  expect(signed_by_both(), ActRefusal::inactive_officer, "anna");
}

TEST_F(ActTest, AStrangerSignsNothing) {
  officers_.pop_back();
  expect(signed_by_both(), ActRefusal::unknown_officer, "bruno");
}

TEST_F(ActTest, AnotherOnesKeyIsNotHis) {
  auto act = signed_by_both();
  act.signatures[1].signature = sign(anna_, act.text);
  expect(act, ActRefusal::bad_signature, "bruno");
}

TEST_F(ActTest, AThirdSignatureThatDoesNotHoldSpoilsTwoGoodOnes) {
  const auto stranger = base::EcPrivateKey::generate();
  enrol("carla", stranger);
  auto act = signed_by_both();
  act.signatures.push_back({"carla", act.signatures[0].signature});
  expect(act, ActRefusal::bad_signature, "carla");
}

TEST_F(ActTest, AnAlteredByteIsSeen) {
  auto act = signed_by_both();
  const auto at = act.text.find("verifier");
  act.text[at] = 'V';
  expect(act, ActRefusal::bad_signature, "anna");
}

TEST_F(ActTest, ItEndsAtItsTime) {
  act_.created = kNow - base::hours(2);
  act_.expires = kNow;
  expect(signed_by_both(), ActRefusal::expired);
  act_.expires = kNow + base::seconds(1);
  EXPECT_FALSE(check(signed_by_both()).refusal);
}

TEST_F(ActTest, ItMayNotLiveForEver) {
  act_.expires = kNow + base::days(8);
  expect(signed_by_both(), ActRefusal::expired);
}

TEST_F(ActTest, TomorrowsActIsNotTodays) {
  act_.created = kNow + base::hours(1);
  act_.expires = kNow + base::hours(2);
  expect(signed_by_both(), ActRefusal::not_yet);
}

TEST_F(ActTest, AnotherAppliancesIsRefused) {
  act_.appliance = "BBBBBBBBBBBBBBBBBBBBBB";
  expect(signed_by_both(), ActRefusal::other_appliance);
}

TEST_F(ActTest, AnotherActionsIsRefused) {
  act_.action = "keys.retire";
  expect(signed_by_both(), ActRefusal::other_action);
}

TEST_F(ActTest, AMemberTwiceIsNoAct) {
  auto act = signed_by_both();
  act.text.insert(1, R"("action":"keys.retire",)");
  act.signatures = {{"anna", sign(anna_, act.text)}, {"bruno", sign(bruno_, act.text)}};
  expect(act, ActRefusal::malformed);
}

TEST_F(ActTest, OneTextHasOneForm) {
  for (const std::string& other :
       {text() + " ", " " + text(), std::string(), std::string("{}"), std::string("[]")})
    EXPECT_FALSE(parse_act(other)) << other;
  auto longer = act_;
  longer.parameters["x"] = std::string(kActTextMax, 'x');
  EXPECT_FALSE(parse_act(act_text(longer)));
  EXPECT_TRUE(parse_act(text()));
}

TEST_F(ActTest, ASignatureOfSomethingElseIsNoActs) {
  auto act = signed_by_both();
  // The same bytes without the domain in front: what a receipt or a checkpoint would be.
  EXPECT_NE(act_digest(act.text), base::sha256({base::view(act.text)}));
  act.signatures[0].signature[0] ^= 1;
  expect(act, ActRefusal::bad_signature, "anna");
}

TEST_F(ActTest, TheFileBetweenOfficersIsReadAsItWasWritten) {
  const auto act = signed_by_both();
  const auto read = parse_signed_act(to_json(act));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->text, act.text);
  ASSERT_EQ(read->signatures.size(), 2U);
  EXPECT_EQ(read->signatures[1].signature, act.signatures[1].signature);
  auto json = to_json(act);
  json["more"] = 1;
  EXPECT_FALSE(parse_signed_act(json));
  json = to_json(act);
  json["signatures"].as_array()[0].as_object()["signature"] = "short";
  EXPECT_FALSE(parse_signed_act(json));
}

}  // namespace
}  // namespace sigillo::appliance
