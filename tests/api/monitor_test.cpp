#include <base/histogram.hpp>

#include "server_fixture.hpp"

namespace sigillo::api::test {
namespace {

using Monitor = ServerTest;

TEST_F(Monitor, SaysThatItLivesAndWhetherItIsReady) {
  serve();
  EXPECT_EQ(monitor("/livez").find("HTTP/1.1 200 "), 0U);
  const auto ready = monitor("/readyz");
  EXPECT_EQ(ready.find("HTTP/1.1 200 "), 0U);
  EXPECT_NE(ready.find(R"({"status":"ready","reasons":[]})"), std::string::npos);
  service_.be({.ready = false, .reasons = {"hsm-unavailable", "sealed"}});
  EXPECT_EQ(monitor("/livez").find("HTTP/1.1 200 "), 0U);
  const auto away = monitor("/readyz");
  EXPECT_EQ(away.find("HTTP/1.1 503 "), 0U);
  EXPECT_NE(away.find(R"({"status":"not-ready","reasons":["hsm-unavailable","sealed"]})"), std::string::npos);
  EXPECT_EQ(monitor("/v1/keys").find("HTTP/1.1 404 "), 0U);
}

TEST_F(Monitor, CountsRequestsByRouteAndStatusAndNothingOfAnybody) {
  serve();
  const auto client = connect();
  ASSERT_EQ(client->ask(post("/v1/verifications", kVerification))->status, 200);
  service_.script = [](const appliance::Call&) { return appliance::Outage::hsm_unavailable; };
  ASSERT_EQ(client->ask(post("/v1/verifications", kVerification))->status, 503);
  ASSERT_EQ(client->ask(get("/nowhere"))->status, 404);
  std::string seen;
  // The counter follows the answer: another request on the same connection is counted after the one before
  // it.
  client->ask(get("/v1/whoami"));
  seen = monitor("/metrics");
  EXPECT_NE(seen.find("sigillo_requests_total{route=\"POST /v1/verifications\",status=\"200\"} 1"),
            std::string::npos)
      << seen;
  EXPECT_NE(seen.find("sigillo_requests_total{route=\"POST /v1/verifications\",status=\"503\"} 1"),
            std::string::npos);
  EXPECT_NE(seen.find("sigillo_requests_total{route=\"none\",status=\"404\"} 1"), std::string::npos);
  EXPECT_NE(seen.find("sigillo_outages_total{code=\"hsm-unavailable\"} 1"), std::string::npos);
  EXPECT_NE(seen.find("sigillo_tls_handshakes_total{result=\"good\"} 1"), std::string::npos);
  EXPECT_NE(seen.find("sigillo_connections 1"), std::string::npos);
  EXPECT_NE(seen.find("sigillo_ready 1"), std::string::npos);
  for (const char* which : {"server", "channel-ca"}) {
    EXPECT_NE(seen.find(std::string("sigillo_certificate_expiry_timestamp_seconds{certificate=\"") + which),
              std::string::npos);
  }
  EXPECT_EQ(seen.find("RSSMRA"), std::string::npos);
}

TEST_F(Monitor, ShowsWhatTheApplianceSaysOfItselfAndWhyItIsNotReady) {
  serve();
  using enum appliance::Reading::Kind;
  std::vector<std::uint64_t> buckets(base::Histogram::kBounds.size() + 1, 0);
  buckets[0] = 2;
  buckets.back() = 1;
  service_.figures = {
      {"sigillo_outcomes_total", "By outcome", counter, "outcome", "verified", 3, {}},
      {"sigillo_outcomes_total", "By outcome", counter, "outcome", "rejected", 1, {}},
      {"sigillo_step_seconds", "Steps", histogram, "step", "charge", 6.5, buckets},
      {"sigillo_channel_outcomes_total", "By both", counter, "outcome", "rejected", 5, {}, "portal:one"},
      {"sigillo_hsm_queue", "Waiting", gauge, "", "", 7, {}}};
  service_.be({.ready = false, .reasons = {"hsm-unavailable"}});
  const auto seen = monitor("/metrics");
  for (const char* line :
       {"# TYPE sigillo_outcomes_total counter\nsigillo_outcomes_total{outcome=\"verified\"} 3\n"
        "sigillo_outcomes_total{outcome=\"rejected\"} 1\n",
        "sigillo_step_seconds_count{step=\"charge\"} 3", "sigillo_step_seconds_sum{step=\"charge\"} 6.5",
        "sigillo_step_seconds_bucket{step=\"charge\",le=\"0.0001\"} 2",
        "sigillo_step_seconds_bucket{step=\"charge\",le=\"+Inf\"} 3", "sigillo_hsm_queue 7",
        "sigillo_channel_outcomes_total{channel=\"portal:one\",outcome=\"rejected\"} 5",
        "sigillo_not_ready{reason=\"hsm-unavailable\"} 1", "sigillo_ready 0"}) {
    EXPECT_NE(seen.find(line), std::string::npos) << line << "\n" << seen;
  }
}

// Whoever scrapes does so while the appliance is sealed too, when there is no key of the TLS server.
TEST_F(Monitor, IsScrapedWhileSealedAndAfter) {
  options_.key = nullptr;
  serve();
  const auto has_certificates = [this] {
    return monitor("/metrics").find("sigillo_certificate_expiry_timestamp_seconds{") != std::string::npos;
  };
  EXPECT_EQ(monitor("/metrics").find("HTTP/1.1 200 "), 0U);
  EXPECT_FALSE(has_certificates());
  ASSERT_TRUE(server_->use_key(pki_.server().key.get()));
  EXPECT_TRUE(has_certificates());
  ASSERT_TRUE(server_->use_key(nullptr));
  EXPECT_EQ(monitor("/metrics").find("HTTP/1.1 200 "), 0U);
  EXPECT_FALSE(has_certificates());
}

TEST_F(Monitor, IsOnLoopbackOnlyAndSaysWhichPortIsTaken) {
  options_.monitor = {"0.0.0.0", 0};
  const auto open = Server::open(options_, service_, clock_);
  ASSERT_FALSE(open);
  EXPECT_TRUE(open.error().is(Errc::address));
  options_.monitor = {"127.0.0.1", 0};
  serve();
  const auto taken = check_endpoints({"127.0.0.1", server_->port()}, {"127.0.0.1", 0});
  ASSERT_FALSE(taken);
  EXPECT_TRUE(taken.error().is(Errc::port));
}

}  // namespace
}  // namespace sigillo::api::test
