// What the door refuses, with which code and which pointer, and which fault wins where there are several.
#include <gtest/gtest.h>

#include <base/jwe.hpp>

#include "admit.hpp"

namespace sigillo::api::test {
namespace {

using enum appliance::Role;

const std::string kS = R"("subject":"RSSMRA85T10A562S")";
const std::string kEv = R"("evidence":{"document":{"type":"passport","number":"Y1","expires":"2031-01-01"}})";
const std::string kDigest(64, 'a');

struct Case {
  appliance::Role role;
  std::string path, body;
  Code code;
  std::string pointer;
};

void expect(const Case& one) {
  const auto got = ask(one.role, "POST", one.path, one.body);
  const auto* const problem = problem_of(got);
  ASSERT_NE(problem, nullptr) << one.path << " " << one.body;
  EXPECT_EQ(words(problem->code).code, words(one.code).code) << one.path << " " << one.body;
  EXPECT_EQ(problem->pointer, one.pointer) << one.path << " " << one.body;
}

TEST(Faults, OfStructureAre400AndNameTheMember) {
  const auto bad = Code::invalid_request;
  const std::string v = "/v1/verifications", c = "/v1/credentials", pin = R"("pin":"ABCD2345")";
  const std::vector<Case> cases = {
      {portal, v, "[]", bad, ""},
      {portal, v, "\"x\"", bad, ""},
      {portal, v, "{" + kS + "," + pin + "," + pin + "}", bad, "/pin"},
      {portal, v, "{" + kS + "}", bad, "/pin"},
      {portal, v, "{" + pin + "}", bad, "/subject"},
      {portal, v, "{" + kS + R"(,"pin":12345678})", bad, "/pin"},
      {portal, v, "{" + kS + R"(,"pin":null})", bad, "/pin"},
      {portal, v, "{" + kS + "," + pin + R"(,"receipt":"yes"})", bad, "/receipt"},
      {portal, v, "{" + kS + "," + pin + R"(,"re~c/eipt":true})", bad, "/re~0c~1eipt"},
      {contact_centre, v, "{" + kS + "," + pin + R"(,"operator":"o"})", bad, "/operator"},
      {portal, c, "{" + kS + "}", bad, "/contacts"},
      {portal, c, "{" + kS + R"(,"contacts":{},"operator":"o"})", bad, "/operator"},
      {portal, c, "{" + kS + R"(,"contacts":{},)" + kEv + "}", bad, "/evidence"},
      {portal, c, "{" + kS + R"(,"contacts":{},"first_half_by":"post"})", bad, "/first_half_by"},
      {portal, c, "{" + kS + R"(,"contacts":{"fax":"1"}})", bad, "/contacts/fax"},
      {portal, c, "{" + kS + R"(,"contacts":[]})", bad, "/contacts"},
      {portal, c, "{" + kS + R"(,"contacts":{"postal":{"name":"a"}}})", bad, "/contacts/postal/street"},
      {portal, c, "{" + kS + R"(,"contacts":{},"health_card":{"number":"1"}})", bad, "/health_card/expires"},
      {contact_centre, c, "{" + kS + R"(,"contacts":{}})", bad, "/operator"},
      {contact_centre, c, "{" + kS + R"(,"contacts":{},"operator":"o","first_half_by":"sms"})", bad,
       "/first_half_by"},
      {branch, c, "{" + kS + R"(,"operator":"o"})", bad, "/evidence"},
      {branch, c, "{" + kS + R"(,"operator":"o","evidence":{}})", bad, "/evidence/document"},
      {branch, c, "{" + kS + R"(,"operator":"o  o",)" + kEv + "}", bad, "/operator"},
      {portal, c + "/x/halves", "{" + kS + R"(,"half":"whole"})", bad, "/half"},
      {portal, "/v1/conversions", "{" + kS + "," + pin + R"(,"operator":"o"})", bad, "/operator"},
      {branch, "/v1/conversions", "{" + kS + "," + pin + R"(,"operator":"o",)" + kEv + "}", bad, "/pin"},
      {back_office, "/v1/conversions/x/decision", R"({"decision":"maybe","operator":"o"})", bad, "/decision"},
      {back_office, "/v1/conversions/x/decision", R"({"decision":"approve"})", bad, "/operator"},
      {portal, "/v1/conversions/x/evidence", R"({"route":"upload"})", bad, "/form_sha256"},
      {portal, "/v1/authorizations",
       "{" + kS + "," + pin + R"(,"action":{"type":"t","reference":"r","sha256":"AA"}})", bad,
       "/action/sha256"},
      {portal, "/v1/recoveries/x/confirmation", R"({"token":7})", bad, "/token"},
      {portal, "/v1/recoveries", "{" + kS + R"(,"contacts":{"mobile":"+393331234567","phone":"+39061"}})",
       bad, "/contacts/phone"},
      {portal, "/v1/revocations",
       "{" + kS + R"(,"health_card":{"number":"80380000300012345678","expires":"2031-05-31"},"contact":{}})",
       bad, "/contact"},
      {branch, "/v1/revocations", "{" + kS + R"(,"operator":"o"})", bad, "/reason"},
      {branch, "/v1/blocks", "{" + kS + R"(,"operator":"o","reason":""})", bad, "/reason"},
      {branch, "/v1/blocks", "{" + kS + R"(,"operator":"o","reason":"a\u0000b"})", bad, "/reason"},
      {contact_centre, "/v1/contacts", "{" + kS + R"(,"operator":"o","contacts":{}})", bad, "/contacts"},
      {contact_centre, "/v1/contacts", "{" + kS + R"(,"operator":"o","contacts":{},"health_card":{}})", bad,
       "/health_card"},
      {courier_sms, "/v1/outbox/leases", R"({"max":0})", bad, "/max"},
      {courier_sms, "/v1/outbox/leases", R"({"max":101})", bad, "/max"},
      {courier_sms, "/v1/outbox/leases", R"({"max":1.0})", bad, "/max"},
      {courier_sms, "/v1/outbox/leases", "{}", bad, "/max"},
      {courier_sms, "/v1/outbox/acks", R"({"acks":[]})", bad, "/acks"},
      {courier_sms, "/v1/outbox/acks", R"({"acks":[{"delivery_id":"a b","status":"failed"}]})", bad,
       "/acks/0/delivery_id"},
      {courier_sms, "/v1/outbox/acks", R"({"acks":[7]})", bad, "/acks/0"},
      {courier_sms, "/v1/outbox/acks",
       R"({"acks":[{"delivery_id":"a","status":"failed","reason":")" + std::string(65, 'x') + R"("}]})", bad,
       "/acks/0/reason"},
  };
  for (const Case& one : cases) expect(one);
}

TEST(Faults, OfValueAre422WithACodeOfTheirOwn) {
  const std::string card = R"("health_card":{"number":"80380000300012345678","expires":"2031-05-31"})";
  const std::string form =
      R"({"route":"fax","form_sha256":")" + kDigest +
      R"(","document":{"type":"passport","number":"Y1","expires":"2031-01-01","sha256":")" + kDigest +
      R"("}})";
  const std::vector<Case> cases = {
      {portal, "/v1/verifications", R"({"subject":"RSSMRA85T10A562X","pin":"ABCD2345"})",
       Code::invalid_subject, "/subject"},
      {portal, "/v1/verifications", R"({"subject":"","pin":"ABCD2345"})", Code::invalid_subject, "/subject"},
      {portal, "/v1/verifications", "{" + kS + R"(,"pin":"ABCD234"})", Code::invalid_pin_format, "/pin"},
      {portal, "/v1/verifications", "{" + kS + R"(,"pin":"ABCD2340"})", Code::invalid_pin_format, "/pin"},
      {portal, "/v1/credentials", "{" + kS + R"(,"contacts":{"mobile":"333"}})", Code::invalid_contact,
       "/contacts/mobile"},
      {portal, "/v1/credentials", "{" + kS + R"(,"contacts":{"email":"a"}})", Code::invalid_contact,
       "/contacts/email"},
      {portal, "/v1/credentials",
       "{" + kS +
           R"(,"contacts":{"postal":{"name":"a","street":"b","postcode":"1","city":"c","province":"RM","country":"IT"}}})",
       Code::invalid_contact, "/contacts/postal"},
      {portal, "/v1/credentials",
       "{" + kS + R"(,"contacts":{},"health_card":{"number":"1","expires":"2031-05-31"}})",
       Code::invalid_health_card, "/health_card/number"},
      {portal, "/v1/credentials",
       "{" + kS + R"(,"contacts":{},"health_card":{"number":"80380000300012345678","expires":"2031-02-30"}})",
       Code::invalid_health_card, "/health_card/expires"},
      {portal, "/v1/credentials", R"({"subject":"00488410010","contacts":{},)" + card + "}",
       Code::invalid_health_card, "/health_card"},
      {portal, "/v1/credentials", "{" + kS + R"(,"contacts":{},"representative":"RSSMRA85T10A562S"})",
       Code::invalid_subject, "/representative"},
      {branch, "/v1/credentials",
       "{" + kS +
           R"(,"operator":"o","evidence":{"document":{"type":"passport","number":"Y1","expires":"2031-13-01"}}})",
       Code::invalid_evidence, "/evidence/document/expires"},
      {branch, "/v1/credentials",
       "{" + kS +
           R"(,"operator":"o","evidence":{"document":{"type":"library/card","number":"Y1","expires":"2031-01-01"}}})",
       Code::invalid_evidence, "/evidence/document"},
      {portal, "/v1/conversions/x/evidence", form, Code::invalid_evidence, "/route"},
      {portal, "/v1/recoveries", "{" + kS + R"(,"contacts":{"mobile":"+393331234567"}})",
       Code::two_contacts_required, "/contacts"},
      {portal, "/v1/revocations", "{" + kS + "," + card + R"(,"contact":{"pec":"x"}})", Code::invalid_contact,
       "/contact/pec"},
  };
  for (const Case& one : cases) expect(one);
}

TEST(Faults, AMalformedHealthCardThatStandsAloneIsNamedAndContactsAreNotMissed) {
  const auto with_card = [](std::string members, std::string card) {
    return "{" + kS + "," + members + R"(,"health_card":)" + card + "}";
  };
  const std::string of_portal = R"("pin":"ABCD2345")", of_branch = R"("operator":"o",)" + kEv;
  for (const auto& [role, members] : {std::pair{portal, of_portal}, std::pair{branch, of_branch}}) {
    expect({role, "/v1/contacts", with_card(members, R"({"number":"1","expires":"2031-05-31"})"),
            Code::invalid_health_card, "/health_card/number"});
    expect({role, "/v1/contacts",
            with_card(members, R"({"number":"80380000300012345678","expires":"2031-02-30"})"),
            Code::invalid_health_card, "/health_card/expires"});
    expect({role, "/v1/contacts", with_card(members, R"({"number":"1"})"), Code::invalid_request,
            "/health_card/expires"});
    expect({role, "/v1/contacts", with_card(members, "7"), Code::invalid_request, "/health_card"});
  }
}

TEST(Faults, ADisclosedPrivateKeyIsNotOverlooked) {
  const auto key = base::EcPrivateKey::generate();
  const auto jwk = key.to_jwk("k");
  expect({portal, "/v1/activations",
          "{" + kS + R"(,"pin":"ABCD2345","reply_key":)" + std::string(jwk.expose_text()) + "}",
          Code::invalid_request, "/reply_key/d"});
  expect({portal, "/v1/activations",
          "{" + kS + R"(,"pin":"ABCD2345","reply_key":{"kty":"RSA","crv":"P-256","x":"AA","y":"AA"}})",
          Code::invalid_request, "/reply_key"});
}

TEST(Faults, AreFoundInTheOrderOfTheContract) {
  const std::string unknown = R"({"nobody":1})", good = "{" + kS + R"(,"pin":"ABCD2345"})",
                    wrong = "{" + kS + R"(,"pin":"no"})";
  const auto code = [](const Admission& got) {
    return problem_of(got) == nullptr ? "none" : words(problem_of(got)->code).code;
  };
  appliance::Channel revoked;
  revoked.status = appliance::ChannelStatus::revoked;
  const auto everything_wrong = head_of("DELETE", "/nowhere", unknown, "");
  EXPECT_EQ(code(admit(everything_wrong, unknown, std::make_shared<const appliance::Channel>(revoked), "r")),
            "channel-revoked");
  EXPECT_EQ(code(admit(everything_wrong, unknown, nullptr, "r")), "channel-unknown");
  EXPECT_EQ(code(ask(auditor, "DELETE", "/nowhere", unknown, "")), "not-found");
  EXPECT_EQ(code(ask(auditor, "DELETE", "/v1/activations", unknown, "")), "method-not-allowed");
  auto head = head_of("POST", "/v1/activations", unknown, "");
  head.content_type = "text/plain";
  head.content_length = kBodyMax + 1;
  EXPECT_EQ(code(admit(head, "", channel_of(auditor), "r")), "role-not-permitted");
  EXPECT_EQ(code(admit(head, "", channel_of(portal), "r")), "unsupported-media-type");
  head.content_type = "application/json";
  EXPECT_EQ(code(admit(head, "", channel_of(portal), "r")), "invalid-request");
  EXPECT_EQ(code(ask(portal, "POST", "/v1/activations", "{", "")), "invalid-request");
  EXPECT_EQ(code(ask(portal, "POST", "/v1/activations", unknown, "")), "invalid-request");
  EXPECT_EQ(code(ask(portal, "POST", "/v1/activations", wrong, "")), "idempotency-key-required");
  EXPECT_EQ(code(ask(portal, "POST", "/v1/activations", wrong, std::string(65, 'k'))), "invalid-request");
  EXPECT_EQ(code(ask(portal, "POST", "/v1/activations", wrong, "tab\there")), "invalid-request");
  EXPECT_EQ(code(ask(portal, "POST", "/v1/activations", wrong, "k")), "invalid-pin-format");
  EXPECT_EQ(code(ask(portal, "POST", "/v1/activations", good, "k")), "none");
}

TEST(Faults, OfQueriesAndBodiesThatDoNotBelong) {
  const auto status = [](std::string_view path) {
    const auto got = ask(auditor, "GET", path, "", "");
    const auto* const problem = problem_of(got);
    return problem == nullptr ? 0 : problem->status();
  };
  for (const auto* path :
       {"/v1/ledger?after=-1", "/v1/ledger?after=", "/v1/ledger?limit=0", "/v1/ledger?limit=1001",
        "/v1/ledger?x=1", "/v1/ledger?after=1&after=2", "/v1/ledger?after=1x", "/v1/keys?a=1"}) {
    EXPECT_EQ(status(path), 400) << path;
  }
  EXPECT_EQ(problem_of(ask(auditor, "GET", "/v1/keys", "{}", ""))->status(), 400);
  EXPECT_EQ(problem_of(ask(portal, "POST", "/v1/verifications?pin=1", "{" + kS + R"(,"pin":"ABCD2345"})"))
                ->status(),
            400);
}

TEST(Faults, EncodedBodiesAreNotUnpacked) {
  auto head = head_of("POST", "/v1/verifications", "{}", "");
  head.encoded = true;
  EXPECT_EQ(problem_of(admit(head, "{}", channel_of(portal), "r"))->status(), 415);
}

}  // namespace
}  // namespace sigillo::api::test
