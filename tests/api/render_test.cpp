// Golden JSON: every answer of the contract, byte for byte.
#include <gtest/gtest.h>

#include <map>

#include <api/render.hpp>

namespace sigillo::api {
namespace {

using namespace appliance;
constexpr base::Instant kTime{1'800'000'000'000};  // 2027-01-15T08:00:00Z

struct Golden {
  Answer answer;
  int status;
  std::string body;
};

void expect(const Golden& one) {
  const auto got = render(one.answer, "req");
  EXPECT_EQ(got.status, one.status) << one.body;
  EXPECT_EQ(got.body.expose_text(), one.body);
}

TEST(Render, Decisions) {
  expect({Rejection{.outcome = Rejection::Outcome::rejected, .attempts_remaining = 7, .retry_after_s = {}},
          200, R"({"outcome":"rejected","attempts_remaining":7})"});
  expect({Rejection{.outcome = Rejection::Outcome::delayed, .attempts_remaining = 7, .retry_after_s = 30},
          200, R"({"outcome":"delayed","attempts_remaining":7,"retry_after_s":30})"});
  expect({Rejection{.outcome = Rejection::Outcome::locked, .attempts_remaining = 0, .retry_after_s = {}}, 200,
          R"({"outcome":"locked","attempts_remaining":0})"});
  expect({ExpiredPin{}, 200, R"({"outcome":"expired"})"});
  Verified yes{"c",
               State::provisional,
               Level::ordinary,
               Presented::first_half,
               {Scope::portal_explore, Scope::profile_manage},
               true,
               kTime,
               "a.b.c"};
  expect(
      {yes, 200,
       R"({"outcome":"verified","credential_id":"c","state":"provisional","level":"ordinary","presented":"first-half",)"
       R"("scopes":["portal.explore","profile.manage"],"next":"activate","expires_at":"2027-01-15T08:00:00Z","receipt":"a.b.c"})"});
  yes.next_activate = false;
  yes.receipt.reset();
  yes.scopes.clear();
  expect(
      {yes, 200,
       R"({"outcome":"verified","credential_id":"c","state":"provisional","level":"ordinary","presented":"first-half",)"
       R"("scopes":[],"next":null,"expires_at":"2027-01-15T08:00:00Z"})"});
}

TEST(Render, PinsAreShownOnceOrSealed) {
  NewPin made{"c", Level::dispositive, kTime, *Pin::parse(base::view("ABCD2345"))};
  const auto got = render(Answer(std::move(made)), "req");
  EXPECT_EQ(got.status, 201);
  EXPECT_EQ(
      got.body.expose_text(),
      R"({"outcome":"verified","credential_id":"c","level":"dispositive","expires_at":"2027-01-15T08:00:00Z","pin":"ABCD2345"})");
  const auto sealed = render(Answer(NewPin{"c", Level::ordinary, kTime, std::string("e.y.j")}), "req");
  EXPECT_EQ(
      sealed.body.expose_text(),
      R"({"outcome":"verified","credential_id":"c","level":"ordinary","expires_at":"2027-01-15T08:00:00Z","sealed":"e.y.j"})");
}

TEST(Render, Requests) {
  const std::vector<DeliveryView> two = {{"d1", Half::first, Medium::sms, "+39•••567", {}},
                                         {"d2", Half::second, Medium::voice, "", "e.y.j"}};
  const std::string deliveries =
      R"("deliveries":[{"delivery_id":"d1","half":"first","medium":"sms","to":"+39•••567"},)"
      R"({"delivery_id":"d2","half":"second","medium":"voice","sealed":"e.y.j"}])";
  expect(
      {PinRequested{"c", State::provisional, Level::ordinary, kTime, two}, 201,
       R"({"credential_id":"c","state":"provisional","level":"ordinary","expires_at":"2027-01-15T08:00:00Z",)" +
           deliveries + "}"});
  expect({HalfRemade{two}, 202, "{" + deliveries + "}"});
}

TEST(Render, ConversionsAndAuthorizations) {
  expect({ConversionOpened{"v", ConversionState::awaiting_evidence, true}, 201,
          R"({"outcome":"verified","conversion_id":"v","state":"awaiting-evidence"})"});
  expect({ConversionOpened{"v", ConversionState::approved, false}, 201,
          R"({"conversion_id":"v","state":"approved"})"});
  expect(
      {ConversionView{"v", ConversionState::in_review, {{"a", "claim.submit", "r\"1", "ab", kTime}}}, 200,
       R"({"conversion_id":"v","state":"in-review","deferred":[{"authorization_id":"a","type":"claim.submit","reference":"r\"1",)"
       R"("sha256":"ab","effective_at":"2027-01-15T08:00:00Z"}]})"});
  const std::string rest = R"("effective_at":"2027-01-15T08:00:00Z","receipt":"j.w.s"})";
  expect({Authorization{"a", AuthorizationState::deferred, kTime, "j.w.s", true}, 201,
          R"({"outcome":"verified","authorization_id":"a","decision":"deferred",)" + rest});
  expect({Authorization{"a", AuthorizationState::void_, kTime, "j.w.s", false}, 200,
          R"({"outcome":"verified","authorization_id":"a","decision":"void",)" + rest});
}

TEST(Render, LinksEndsAndContacts) {
  expect({LinkSent{"r", true}, 202, R"({"outcome":"link-sent","recovery_id":"r"})"});
  expect({LinkSent{"r", false}, 202, R"({"outcome":"link-sent","revocation_id":"r"})"});
  expect({NotEligible{}, 200, R"({"outcome":"not-eligible","reason":"never-accessed"})"});
  expect({RevokedNow{false}, 200, R"({"state":"revoked"})"});
  expect({RevokedNow{true}, 200, R"({"outcome":"verified","state":"revoked"})"});
  expect({BlockedNow{}, 200, R"({"state":"blocked"})"});
  expect({ContactsNow{"+39••", {}, {}, {}, "00153 Roma"}, 200,
          R"({"contacts":{"mobile":"+39••","postal":"00153 Roma"}})"});
}

TEST(Render, Status) {
  expect(
      {StatusView{}, 200,
       R"({"credential_id":null,"state":"none","level":null,"locked":false,"delayed_until":null,"issued_at":null,)"
       R"("first_access_at":null,"expires_at":null,"contacts":{},"deliveries":[]})"});
  StatusView full;
  full.credential_id = "c";
  full.state = State::blocked;
  full.level = Level::dispositive;
  full.locked = true;
  full.delayed_until = full.issued_at = full.first_access_at = full.expires_at = kTime;
  full.deliveries = {{Half::whole, Medium::counter, DeliveryState::delivered}};
  const std::string t = R"("2027-01-15T08:00:00Z")";
  expect({full, 200,
          R"({"credential_id":"c","state":"blocked","level":"dispositive","locked":true,"delayed_until":)" +
              t + R"(,"issued_at":)" + t + R"(,"first_access_at":)" + t + R"(,"expires_at":)" + t +
              R"(,"contacts":{},"deliveries":[{"half":"whole","medium":"counter","state":"delivered"}]})"});
}

TEST(Render, CouriersKeysAndLedger) {
  expect(
      {Leases{{{"d", kTime, 2, "e.y.j"}}}, 200,
       R"({"deliveries":[{"delivery_id":"d","lease_expires_at":"2027-01-15T08:00:00Z","attempt":2,"sealed":"e.y.j"}]})"});
  expect({AckResults{{{"d", true}, {"x", false}}}, 200,
          R"({"results":[{"delivery_id":"d","result":"recorded"},{"delivery_id":"x","result":"unknown"}]})"});
  expect({KeySet{R"({"keys":[]})"}, 200, R"({"keys":[]})"});
  expect({LedgerPage{{R"({"seq":1})", R"({"seq":2})"}, 2}, 200,
          R"({"entries":[{"seq":1},{"seq":2}],"next_after":2})"});
  expect({Checkpoint{"sigillo\n1\nabc\n"}, 200, "sigillo\n1\nabc\n"});
}

TEST(Render, RefusalsAreProblemsWithTheStatusOfTheContract) {
  const std::map<Refusal, std::pair<int, std::string>> all = {
      {Refusal::credential_exists, {409, "credential-exists"}},
      {Refusal::branch_required, {409, "branch-required"}},
      {Refusal::not_provisional, {409, "not-provisional"}},
      {Refusal::delivery_limit, {429, "delivery-limit"}},
      {Refusal::deferred_limit, {429, "quota-exceeded"}},
      {Refusal::already_dispositive, {409, "already-dispositive"}},
      {Refusal::already_decided, {409, "already-decided"}},
      {Refusal::four_eyes, {403, "four-eyes"}},
      {Refusal::no_credential, {409, "no-credential"}},
      {Refusal::contact_exists, {409, "contact-exists"}},
      {Refusal::not_found, {404, "not-found"}},
      {Refusal::two_contacts_required, {422, "two-contacts-required"}},
      {Refusal::delivery_not_possible, {422, "delivery-not-possible"}},
      {Refusal::invalid_subject, {422, "invalid-subject"}},
      {Refusal::invalid_contact, {422, "invalid-contact"}},
      {Refusal::invalid_evidence, {422, "invalid-evidence"}},
      {Refusal::invalid_health_card, {422, "invalid-health-card"}},
      {Refusal::idempotency_key_reused, {422, "idempotency-key-reused"}},
      {Refusal::idempotency_key_in_use, {409, "idempotency-key-in-use"}},
      {Refusal::secret_no_longer_available, {409, "secret-no-longer-available"}},
  };
  for (const auto& [refusal, said] : all) {
    const auto got = render(Answer(refusal), "req-7");
    EXPECT_EQ(got.status, said.first) << said.second;
    const std::string body(got.body.expose_text());
    EXPECT_EQ(body.find(R"({"type":"urn:sigillo:problem:)" + said.second + R"(","title":")"), 0U) << body;
    EXPECT_NE(body.find(R"("status":)" + std::to_string(said.first) + R"(,"code":")" + said.second +
                        R"(","detail":")"),
              std::string::npos);
    EXPECT_NE(body.find(R"(,"request_id":"req-7"})"), std::string::npos) << body;
  }
}

TEST(Render, APointerFromTheRequestIsEscaped) {
  const auto got = render(Problem{.code = Code::invalid_request, .pointer = "/a\"\\\x01é"}, "r");
  EXPECT_NE(got.body.expose_text().find(R"("pointer":"/a\"\\\u0001é"})"), std::string::npos)
      << got.body.expose_text();
}

TEST(Render, Whoami) {
  Channel channel;
  channel.role = Role::courier_pec;
  channel.name = "p-1";
  EXPECT_EQ(
      render_whoami(channel, kTime, {0, 0}).body.expose_text(),
      R"({"role":"courier-pec","name":"p-1","certificate_expires_at":"2027-01-15T08:00:00Z","quota":null})");
  EXPECT_EQ(
      render_whoami(channel, kTime, {5, 9}).body.expose_text(),
      R"({"role":"courier-pec","name":"p-1","certificate_expires_at":"2027-01-15T08:00:00Z","quota":{"per_second":5,"burst":9}})");
}

}  // namespace
}  // namespace sigillo::api
