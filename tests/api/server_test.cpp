// What a channel meets on the wire: identity, revocation, order of answers, headers of every response.
#include "server_fixture.hpp"

namespace sigillo::api::test {
namespace {

TEST_F(ServerTest, AVerificationIsAnsweredWithTheHeadersOfEveryResponse) {
  serve();
  const auto client = connect();
  const auto got = client->ask(post("/v1/verifications", kVerification));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 200);
  EXPECT_EQ(got->headers.at("content-type"), "application/json");
  EXPECT_EQ(got->headers.at("cache-control"), "no-store");
  EXPECT_GE(got->headers.at("x-request-id").size(), 16U);
  EXPECT_NE(got->body.find("\"verified\""), std::string::npos);
  const auto problem = client->ask(get("/nowhere"));
  EXPECT_EQ(problem->headers.at("content-type"), "application/problem+json");
  EXPECT_NE(problem->body.find("\"request_id\":\"" + problem->headers.at("x-request-id") + "\""),
            std::string::npos);
  const auto method = client->ask(get("/v1/verifications"));
  EXPECT_EQ(method->status, 405);
  EXPECT_EQ(method->headers.at("allow"), "POST");
}

TEST_F(ServerTest, AnOutageIs503WithRetryAfter) {
  serve();
  service_.script = [](const appliance::Call&) { return appliance::Outage::store_unavailable; };
  const auto got = connect()->ask(post("/v1/verifications", kVerification));
  EXPECT_EQ(got->status, 503);
  EXPECT_GE(std::stoi(got->headers.at("retry-after")), 1);
  EXPECT_NE(got->body.find("\"store-unavailable\""), std::string::npos);
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  serve();
  const auto client = connect();
  std::string all;
  for (int i = 0; i < 20; ++i)
    all += i % 2 == 0 ? post("/v1/verifications", kVerification) : get("/v1/whoami");
  ASSERT_TRUE(client->send(all));
  for (int i = 0; i < 20; ++i) {
    const auto got = client->receive();
    ASSERT_TRUE(got);
    EXPECT_NE(got->body.find(i % 2 == 0 ? "verified" : "\"role\":\"portal\""), std::string::npos)
        << i << got->body;
  }
}

TEST_F(ServerTest, ARequestInSingleBytesIsTheSameRequest) {
  serve();
  const auto client = connect();
  for (const char c : post("/v1/verifications", kVerification)) ASSERT_TRUE(client->send({&c, 1}));
  EXPECT_EQ(client->receive()->status, 200);
}

TEST_F(ServerTest, WhoIsTurnedAwayIsInTheLogOnceAnHourAndCountedEachTime) {
  using appliance::ChannelStatus;
  serve();
  const auto told = [this](const char* code) {
    testing::internal::CaptureStderr();
    for (int i = 0; i < 3; ++i) connect()->ask(get("/v1/ledger"));
    const std::string log = testing::internal::GetCapturedStderr();
    const std::string line = std::string("turned-away code=") + code +
                             " channel=portal:p1 certificate_key=" + base::to_hex(portal_.key_digest()) +
                             '\n';
    const auto first = log.find(line);
    EXPECT_EQ(log.find("turned-away", first == std::string::npos ? 0 : first + 1), std::string::npos) << log;
    return first != std::string::npos;
  };
  EXPECT_TRUE(told("role-not-permitted"));
  EXPECT_FALSE(told("role-not-permitted"));
  for (const auto& [status, code] : {std::pair{ChannelStatus::suspended, "channel-suspended"},
                                     std::pair{ChannelStatus::revoked, "channel-revoked"}}) {
    service_.enrol(appliance::Role::portal, "p1", portal_.key_digest(), status);
    EXPECT_TRUE(told(code));
    EXPECT_FALSE(told(code));
  }
  clock_.advance(base::hours(1));
  EXPECT_TRUE(told("channel-revoked"));
  const auto seen = monitor("/metrics");
  for (const char* line : {"sigillo_turned_away_total{code=\"role-not-permitted\"} 6",
                           "sigillo_turned_away_total{code=\"channel-suspended\"} 6",
                           "sigillo_turned_away_total{code=\"channel-revoked\"} 9"}) {
    EXPECT_NE(seen.find(line), std::string::npos) << line << "\n" << seen;
  }
}

TEST_F(ServerTest, ARevocationCutsOffAnOpenConnection) {
  serve();
  const auto client = connect();
  ASSERT_EQ(client->ask(post("/v1/verifications", kVerification))->status, 200);
  service_.enrol(appliance::Role::portal, "p1", portal_.key_digest(), appliance::ChannelStatus::revoked);
  const auto got = client->ask(post("/v1/verifications", kVerification));
  EXPECT_EQ(got->status, 403);
  EXPECT_NE(got->body.find("\"channel-revoked\""), std::string::npos);
  EXPECT_EQ(service_.calls, 1U);
  EXPECT_TRUE(client->at_end());
  service_.enrol(appliance::Role::portal, "p1", portal_.key_digest(), appliance::ChannelStatus::suspended);
  EXPECT_NE(connect()->ask(get("/v1/whoami"))->body.find("\"channel-suspended\""), std::string::npos);
}

TEST_F(ServerTest, OnlyTheUriOfAnEnrolledKeyIsAnIdentity) {
  serve();
  const std::string uri = "URI:urn:sigillo:channel:portal:p1";
  const struct {
    const char* what;
    Identity identity;
  } cases[] = {
      {"the right URI with another key", pki_.issue("p1", uri)},
      {"the identity in CN only", pki_.issue("urn:sigillo:channel:portal:p1", "")},
      {"no channel URI", pki_.issue("p1", "URI:urn:example:portal:p1")},
      {"two channel URIs", pki_.issue("p1", uri + ",URI:urn:sigillo:channel:auditor:a")},
      {"an unknown role", pki_.issue("p1", "URI:urn:sigillo:channel:root:p1")},
  };
  for (const auto& one : cases) {
    const auto got = connect(one.identity)->ask(get("/v1/whoami"));
    ASSERT_TRUE(got) << one.what;
    EXPECT_EQ(got->status, 403) << one.what;
    EXPECT_NE(got->body.find("\"channel-unknown\""), std::string::npos) << one.what;
  }
}

TEST_F(ServerTest, AConnectionNeedsACertificateUnderTheChannelCaAndTls13) {
  serve();
  TlsClient bare(server_->port(), pki_, nullptr);
  EXPECT_FALSE(bare.ask(get("/v1/whoami")));
  const TestPki other;
  const auto foreign = other.issue("p1", "URI:urn:sigillo:channel:portal:p1");
  EXPECT_FALSE(connect(foreign)->ask(get("/v1/whoami")));
  // A channel's own certificate is no CA: what it signs is nobody.
  const auto below = pki_.issue_by(portal_, "p1", "URI:urn:sigillo:channel:portal:p1", false);
  EXPECT_FALSE(connect(below)->ask(get("/v1/whoami")));
  TlsClient old(server_->port(), pki_, &portal_, 0x0303);
  EXPECT_FALSE(old.connected());
  EXPECT_EQ(connect()->ask(get("/v1/whoami"))->status, 200);
}

TEST_F(ServerTest, ACertificateThatEndsWhileItsConnectionIsOpenIsNobody) {
  clock_.set(base::SystemClock().now());
  serve();
  const auto client = connect();
  ASSERT_EQ(client->ask(get("/v1/whoami"))->status, 200);
  clock_.advance(base::days(2));
  EXPECT_EQ(client->ask(get("/v1/whoami"))->status, 403);
}

TEST_F(ServerTest, WhileSealedEveryOperationSaysSo) {
  const auto stranger = pki_.issue("x", "URI:urn:sigillo:channel:portal:nobody-yet");
  service_.be({.ready = false, .reasons = {"sealed"}});
  serve();
  const auto got = connect(stranger)->ask(get("/v1/whoami"));
  EXPECT_EQ(got->status, 503);
  EXPECT_NE(got->body.find("\"sealed\""), std::string::npos);
}

TEST_F(ServerTest, SixtyFourConnectionsAtOnceAreAllAnswered) {
  serve();
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([&] {
      const auto client = connect();
      for (int n = 0; n < 5; ++n) {
        const auto got = client->ask(post("/v1/verifications", kVerification));
        good += got && got->status == 200 ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 64 * 5);
  EXPECT_EQ(service_.calls, 64U * 5);
}

TEST_F(ServerTest, StoppingFinishesWhatIsInFlightAndCutsWhatRests) {
  serve();
  const auto busy = connect();
  const auto idle = connect();
  ASSERT_EQ(idle->ask(get("/v1/whoami"))->status, 200);
  service_.hold();
  ASSERT_TRUE(busy->send(post("/v1/verifications", kVerification)));
  service_.wait_for_calls(1);
  std::thread stopping([&] { server_->stop(); });
  EXPECT_TRUE(idle->at_end());  // so the stop has begun
  EXPECT_EQ(monitor("/readyz").find("HTTP/1.1 503 "), 0U);
  service_.release();
  const auto got = busy->receive();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 200);
  EXPECT_EQ(got->headers.at("connection"), "close");
  EXPECT_TRUE(busy->at_end());
  stopping.join();
  TlsClient late(server_->port(), pki_, &portal_);
  EXPECT_FALSE(late.connected());
}

TEST_F(ServerTest, StoppingDoesNotWaitLongerThanTheGraceTime) {
  options_.deadlines.grace = {50};
  options_.deadlines.farewell = {50};
  serve();
  const auto busy = connect();
  service_.hold();
  ASSERT_TRUE(busy->send(post("/v1/verifications", kVerification)));
  service_.wait_for_calls(1);
  server_->stop();
  EXPECT_FALSE(busy->receive());
  service_.release();
}

TEST_F(ServerTest, NewCertificatesAreReadAndBadOnesLeaveTheOldOnes) {
  serve();
  EXPECT_TRUE(server_->reload_tls());
  EXPECT_EQ(connect()->ask(get("/v1/whoami"))->status, 200);
}

}  // namespace
}  // namespace sigillo::api::test
