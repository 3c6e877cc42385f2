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
  EXPECT_EQ(seen.find("RSSMRA"), std::string::npos);
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
