// Each operation of the contract, from the JSON of the contract to the typed request, for each role that may
// ask.
#include <gtest/gtest.h>

#include <base/jwe.hpp>

#include "admit.hpp"

namespace sigillo::api::test {
namespace {

using enum appliance::Role;
using namespace std::string_literals;

const std::string kSubject = R"("subject":"RSSMRA85T10A562S")";
const std::string kEvidence =
    R"("evidence":{"document":{"type":"identity-card","number":"CA00000AA","expires":"2031-01-01"}})";
const std::string kDigest(64, 'a');

std::string body(std::string members) {
  return "{" + kSubject + (members.empty() ? "" : ",") + members + "}";
}

TEST(Requests, ThePortalAsksForAPinWithEveryMemberOfTheContract) {
  const auto got = ask(portal, "POST", "/v1/credentials", body(R"(
      "contacts": {"mobile": "+393331234567", "email": "M.Rossi@example.it", "pec": "m.rossi@pec.example.it",
                   "phone": "+390612345678",
                   "postal": {"name": "Mario Rossi", "street": "Via Garibaldi 1", "postcode": "00153", "city": "Roma",
                              "province": "RM", "country": "IT"}},
      "health_card": {"number": "80380000300012345678", "expires": "2031-05-31"}, "first_half_by": "pec")"));
  const auto* const request = request_of<appliance::RequestPin>(got);
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(request->subject.text(), "RSSMRA85T10A562S");
  EXPECT_EQ(request->contacts.mobile, "+393331234567");
  EXPECT_EQ(request->contacts.email, "m.rossi@example.it");
  EXPECT_EQ(request->contacts.phone, "+390612345678");
  ASSERT_TRUE(request->contacts.postal);
  EXPECT_EQ(request->contacts.postal->city, "Roma");
  ASSERT_TRUE(request->health_card);
  EXPECT_EQ(request->health_card->expires.text(), "2031-05-31");
  EXPECT_EQ(request->first_half_by, appliance::Medium::pec);
  EXPECT_FALSE(request->operator_name || request->evidence || request->representative);
}

TEST(Requests, ABranchAsksWithOperatorAndEvidenceForALegalPerson) {
  const auto got =
      ask(branch, "POST", "/v1/credentials",
          R"({"subject":"00488410010","representative":"RSSMRA85T10A562S","operator":"op-117",)" + kEvidence +
              "}");
  const auto* const request = request_of<appliance::RequestPin>(got);
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(request->operator_name, "op-117");
  ASSERT_TRUE(request->evidence && request->representative);
  EXPECT_EQ(request->evidence->document.number, "CA00000AA");
  EXPECT_TRUE(request->contacts.empty());
}

TEST(Requests, AHalfIsMadeAnew) {
  const auto got =
      ask(contact_centre, "POST", "/v1/credentials/c-9/halves", body(R"("half":"second","operator":"op-1")"));
  const auto* const request = request_of<appliance::RemakeHalf>(got);
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(request->credential_id, "c-9");
  EXPECT_EQ(request->half, appliance::Half::second);
  EXPECT_EQ(request->operator_name, "op-1");
}

TEST(Requests, APinIsVerifiedInAnySpellingAndTheKeyIsOptional) {
  const auto got =
      ask(portal, "POST", "/v1/verifications", body(R"("pin":"abcd-2345 EFGH 6789","receipt":true)"), "");
  const auto* const request = request_of<appliance::Verify>(got);
  ASSERT_NE(request, nullptr);
  EXPECT_TRUE(request->pin.is_whole() && request->receipt);
  EXPECT_EQ(base::text(request->pin.first_half()), "ABCD2345");
  EXPECT_FALSE(std::get<appliance::Call>(got.verdict).idempotency);
  EXPECT_TRUE(std::get<appliance::Call>(
                  ask(portal, "POST", "/v1/verifications", body(R"("pin":"ABCD2345")"), "k").verdict)
                  .idempotency);
}

TEST(Requests, ActivationAndRenewalTakeAReplyKeyAndForgetItsOtherMembers) {
  const auto key = base::EcPrivateKey::generate().public_key();
  const std::string bare = key.to_jwk({});
  const std::string dressed =
      R"({"alg":"ECDH-ES","key_ops":["deriveKey"],)" + key.to_jwk("my-kid", "enc").substr(1);
  for (const std::string& jwk : {bare, dressed}) {
    const auto members = body(R"("pin":"ABCD2345EFGH6789","reply_key":)" + jwk);
    const auto activation = ask(portal, "POST", "/v1/activations", members);
    const auto renewal = ask(portal, "POST", "/v1/renewals", members);
    ASSERT_NE(request_of<appliance::Activate>(activation), nullptr);
    ASSERT_NE(request_of<appliance::Renew>(renewal), nullptr);
    EXPECT_EQ(request_of<appliance::Activate>(activation)->reply_key, bare);
    EXPECT_EQ(request_of<appliance::Renew>(renewal)->reply_key, bare);
  }
}

TEST(Requests, AConversionFromOpeningToDecision) {
  const auto opened = ask(portal, "POST", "/v1/conversions", body(R"("pin":"ABCD2345")"));
  ASSERT_NE(request_of<appliance::OpenConversion>(opened), nullptr);
  EXPECT_TRUE(request_of<appliance::OpenConversion>(opened)->pin);
  const auto at_branch = ask(branch, "POST", "/v1/conversions", body(R"("operator":"op-1",)" + kEvidence));
  ASSERT_NE(request_of<appliance::OpenConversion>(at_branch), nullptr);
  EXPECT_TRUE(request_of<appliance::OpenConversion>(at_branch)->evidence);

  const std::string form =
      R"("form_sha256":")" + kDigest +
      R"(","document":{"type":"passport","number":"YA1","expires":"2031-01-01","sha256":")" + kDigest +
      R"("})";
  const auto evidence = [&](appliance::Role role, std::string route, std::string more) {
    return ask(role, "POST", "/v1/conversions/v-1/evidence",
               R"({"route":")" + route + R"(",)" + form + more + "}");
  };
  for (const auto& [role, route, more] : {std::tuple{portal, "upload"s, ""s},
                                          {back_office, "fax"s, R"(,"operator":"a")"s},
                                          {branch, "in-person"s, R"(,"operator":"a")"s}}) {
    const auto got = evidence(role, route, more);
    ASSERT_NE(request_of<appliance::SubmitEvidence>(got), nullptr) << route;
    EXPECT_EQ(appliance::name(*request_of<appliance::SubmitEvidence>(got)->evidence.route), route);
    EXPECT_EQ(request_of<appliance::SubmitEvidence>(got)->conversion_id, "v-1");
  }
  const auto decision = ask(back_office, "POST", "/v1/conversions/v-1/decision",
                            R"({"decision":"reject","operator":"op-2","reason":"not readable"})");
  ASSERT_NE(request_of<appliance::DecideConversion>(decision), nullptr);
  EXPECT_FALSE(request_of<appliance::DecideConversion>(decision)->approve);
  EXPECT_EQ(request_of<appliance::DecideConversion>(decision)->reason, "not readable");
  EXPECT_NE(request_of<appliance::GetConversion>(ask(branch, "GET", "/v1/conversions/v-1", "", "")), nullptr);
}

TEST(Requests, AnAuthorization) {
  const auto got =
      ask(portal, "POST", "/v1/authorizations",
          body(R"("pin":"ABCD2345","action":{"type":"claim.submit","reference":"r 1","sha256":")" + kDigest +
               "\"}"));
  ASSERT_NE(request_of<appliance::Authorize>(got), nullptr);
  EXPECT_EQ(request_of<appliance::Authorize>(got)->action.reference, "r 1");
  const auto upper =
      ask(portal, "POST", "/v1/authorizations",
          body(R"("pin":"ABCD2345","action":{"type":"claim.submit","reference":"r 1","sha256":")" +
               std::string(64, 'A') + "\"}"));
  ASSERT_NE(request_of<appliance::Authorize>(upper), nullptr);
  EXPECT_EQ(request_of<appliance::Authorize>(upper)->action.sha256, std::string(64, 'a'));
  const auto read = ask(portal, "GET", "/v1/authorizations/a_1", "", "");
  ASSERT_NE(request_of<appliance::GetAuthorization>(read), nullptr);
  EXPECT_EQ(request_of<appliance::GetAuthorization>(read)->authorization_id, "a_1");
}

TEST(Requests, RecoveryAndRevocationWithTheirLinks) {
  const auto recovery = ask(portal, "POST", "/v1/recoveries",
                            body(R"("contacts":{"mobile":"+393331234567","pec":"a@pec.example.it"})"));
  ASSERT_NE(request_of<appliance::Recover>(recovery), nullptr);
  EXPECT_EQ(request_of<appliance::Recover>(recovery)->contacts.pec, "a@pec.example.it");
  EXPECT_NE(request_of<appliance::Recover>(
                ask(branch, "POST", "/v1/recoveries", body(R"("operator":"o",)" + kEvidence))),
            nullptr);
  const auto revocation = ask(
      portal, "POST", "/v1/revocations",
      body(
          R"("health_card":{"number":"80380000300012345678","expires":"2031-05-31"},"contact":{"email":"A@b.it"})"));
  ASSERT_NE(request_of<appliance::Revoke>(revocation), nullptr);
  EXPECT_EQ(request_of<appliance::Revoke>(revocation)->contact.email, "a@b.it");
  EXPECT_NE(request_of<appliance::Revoke>(
                ask(branch, "POST", "/v1/revocations", body(R"("operator":"o","reason":"died")"))),
            nullptr);

  const std::string token(43, 'A');
  for (const auto& [given, is_token] :
       {std::pair{token, true}, {"short"s, false}, {""s, false}, {std::string(43, '!'), false}}) {
    const auto confirmed =
        ask(portal, "POST", "/v1/recoveries/r-1/confirmation", R"({"token":")" + given + "\"}");
    ASSERT_NE(request_of<appliance::ConfirmRecovery>(confirmed), nullptr) << given;
    EXPECT_EQ(request_of<appliance::ConfirmRecovery>(confirmed)->token.has_value(), is_token) << given;
    const auto revoked =
        ask(portal, "POST", "/v1/revocations/r-1/confirmation", R"({"token":")" + given + "\"}");
    ASSERT_NE(request_of<appliance::ConfirmRevocation>(revoked), nullptr) << given;
    EXPECT_EQ(request_of<appliance::ConfirmRevocation>(revoked)->token.has_value(), is_token) << given;
  }
}

TEST(Requests, BlocksContactsStatus) {
  EXPECT_NE(request_of<appliance::Block>(
                ask(contact_centre, "POST", "/v1/blocks", body(R"("operator":"o","reason":"lost")"))),
            nullptr);
  const std::string contacts = R"("contacts":{"email":"a@b.it"})";
  EXPECT_NE(request_of<appliance::ChangeContacts>(
                ask(portal, "POST", "/v1/contacts", body(R"("pin":"ABCD2345",)" + contacts))),
            nullptr);
  EXPECT_NE(request_of<appliance::ChangeContacts>(
                ask(contact_centre, "POST", "/v1/contacts", body(R"("operator":"o",)" + contacts))),
            nullptr);
  EXPECT_NE(request_of<appliance::ChangeContacts>(
                ask(branch, "POST", "/v1/contacts", body(R"("operator":"o",)" + kEvidence + "," + contacts))),
            nullptr);
  EXPECT_NE(request_of<appliance::GetStatus>(ask(back_office, "POST", "/v1/status", body(""), "")), nullptr);
}

TEST(Requests, CouriersAndTheAuditor) {
  const auto lease = ask(courier_sms, "POST", "/v1/outbox/leases", R"({"max":100})", "");
  ASSERT_NE(request_of<appliance::LeaseDeliveries>(lease), nullptr);
  EXPECT_EQ(request_of<appliance::LeaseDeliveries>(lease)->max, 100U);
  const auto acks = ask(
      courier_post, "POST", "/v1/outbox/acks",
      R"({"acks":[{"delivery_id":"d1","status":"delivered"},{"delivery_id":"d2","status":"failed","reason":"è"}]})",
      "");
  ASSERT_NE(request_of<appliance::AckDeliveries>(acks), nullptr);
  ASSERT_EQ(request_of<appliance::AckDeliveries>(acks)->acks.size(), 2U);
  EXPECT_FALSE(request_of<appliance::AckDeliveries>(acks)->acks[1].delivered);
  const auto page = ask(auditor, "GET", "/v1/ledger?after=12&limit=1000", "", "");
  ASSERT_NE(request_of<appliance::ReadLedger>(page), nullptr);
  EXPECT_EQ(request_of<appliance::ReadLedger>(page)->after, 12U);
  EXPECT_EQ(request_of<appliance::ReadLedger>(page)->limit, 1000U);
  EXPECT_NE(request_of<appliance::ReadLedger>(ask(auditor, "GET", "/v1/ledger", "", "")), nullptr);
  EXPECT_NE(request_of<appliance::GetCheckpoint>(ask(auditor, "GET", "/v1/ledger/checkpoint", "", "")),
            nullptr);
  EXPECT_NE(request_of<appliance::GetKeys>(ask(courier_pec, "GET", "/v1/keys", "", "")), nullptr);
}

TEST(Requests, WhatAGatewaySaidRefusesNoBatchOfAcknowledgements) {
  const auto got = ask(courier_email, "POST", "/v1/outbox/acks",
                       R"({"acks":[{"delivery_id":"d1","status":"failed","reason":""},)"
                       R"({"delivery_id":"d2","status":"failed","reason":"550 5.1.1\r\nno such\u0000user"},)"
                       R"({"delivery_id":"d3","status":"delivered"}]})",
                       "");
  const auto* const request = request_of<appliance::AckDeliveries>(got);
  ASSERT_NE(request, nullptr);
  ASSERT_EQ(request->acks.size(), 3U);
  EXPECT_EQ(request->acks[0].reason, std::nullopt);
  EXPECT_EQ(request->acks[1].reason, "550 5.1.1  no such user");
}

TEST(Requests, TheDigestOfARequestCoversMethodPathAndBody) {
  const auto digest = [](std::string_view path, std::string pin) {
    const auto got = ask(portal, "POST", path, body(R"("pin":")" + pin + "\""));
    return base::to_hex(std::get<appliance::Call>(got.verdict).idempotency->request_digest.expose());
  };
  EXPECT_EQ(digest("/v1/activations", "ABCD2345"), digest("/v1/activations", "ABCD2345"));
  EXPECT_NE(digest("/v1/activations", "ABCD2345"), digest("/v1/activations", "ABCD2346"));
  EXPECT_NE(digest("/v1/activations", "ABCD2345"), digest("/v1/renewals", "ABCD2345"));
}

}  // namespace
}  // namespace sigillo::api::test
