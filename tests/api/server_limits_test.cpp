// What a peer gets that sends too much, too slowly, or what two readers could read differently.
#include <deque>

#include "server_fixture.hpp"

namespace sigillo::api::test {
namespace {

using Limits_ = ServerTest;

TEST_F(Limits_, AHeaderThatTheGateRefusesIs400AndEndsTheConnection) {
  serve();
  for (const std::string& bad :
       {std::string(
            "POST /v1/verifications HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        std::string("GET /v1/whoami HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"),
        std::string("GET /v1/whoami HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n"),
        std::string("GET /v1/whoami HTTP/1.1\r\n\r\n"), std::string("nonsense\r\n\r\n")}) {
    const auto client = connect();
    // What stands behind the refused header must not be read as a request.
    const auto got = client->ask(bad + get("/v1/whoami"));
    ASSERT_TRUE(got) << bad;
    EXPECT_EQ(got->status, 400) << bad;
    EXPECT_FALSE(client->receive()) << bad;
  }
}

TEST_F(Limits_, AHeaderOver8KiBIs431) {
  serve();
  const auto client = connect();
  const auto got =
      client->ask("GET /v1/whoami HTTP/1.1\r\nHost: h\r\nX: " + std::string(9000, 'x') + "\r\n\r\n");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 431);
}

TEST_F(Limits_, ABodyOf16KiBIsReadAndOneByteMoreIs413AndTheConnectionGoesOn) {
  serve();
  const auto client = connect();
  std::string body = kVerification;
  body.insert(body.size() - 1, std::string(16 * 1024 - body.size(), ' '));
  ASSERT_EQ(client->ask(post("/v1/verifications", body))->status, 200);
  for (const std::size_t size : {16UL * 1024 + 1, 40UL * 1024, 64UL * 1024}) {
    const auto got = client->ask(post("/v1/verifications", std::string(size, ' ')));
    ASSERT_TRUE(got) << size;
    EXPECT_EQ(got->status, 413) << size;
  }
  EXPECT_EQ(client->ask(get("/v1/whoami"))->status, 200);
}

TEST_F(Limits_, A413ArrivesAlsoWhereTheBodyIsFarTooLarge) {
  serve();
  const auto client = connect();
  const auto got = client->ask(post("/v1/verifications", std::string(300 * 1024, ' ')));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 413);
  EXPECT_EQ(got->headers.at("connection"), "close");
}

TEST_F(Limits_, AWrongPathWithALargeBodyIs404AndNot413) {
  serve();
  EXPECT_EQ(connect()->ask(post("/nowhere", std::string(20 * 1024, ' ')))->status, 404);
}

TEST_F(Limits_, HeadHasNoBodyAndContinueIsSaid) {
  serve();
  const auto client = connect();
  ASSERT_TRUE(client->send("HEAD /v1/whoami HTTP/1.1\r\nHost: h\r\n\r\n" + get("/v1/whoami")));
  EXPECT_EQ(client->receive(false)->status, 405);
  EXPECT_EQ(client->receive()->status, 200);  // begins where the body would have stood
  const auto waiting = connect();
  const std::string whole = post("/v1/verifications", kVerification, {}, "Expect: 100-continue\r\n");
  const auto split = whole.size() - kVerification.size();
  const auto interim = waiting->ask(std::string_view(whole).substr(0, split));
  ASSERT_TRUE(interim);
  EXPECT_EQ(interim->status, 100);
  EXPECT_EQ(waiting->ask(std::string_view(whole).substr(split))->status, 200);
}

TEST_F(Limits_, EachPhaseHasADeadlineThatNoTrickleExtends) {
  options_.deadlines.header = {300};
  options_.deadlines.body = {300};
  options_.deadlines.idle = {300};
  options_.deadlines.handshake = {300};
  serve();
  const auto slow_header = connect();
  ASSERT_TRUE(slow_header->send("GET /v1/whoami HTTP/1.1\r\n"));
  const std::string whole = post("/v1/verifications", kVerification);
  const auto slow_body = connect();
  ASSERT_TRUE(slow_body->send(std::string_view(whole).substr(0, whole.size() - 1)));
  const auto idle = connect();
  const auto trickling = connect();
  int sent = 0;
  while (sent < 200 && trickling->send("x") && !trickling->stirs_within(30)) ++sent;
  EXPECT_TRUE(slow_header->at_end());
  EXPECT_TRUE(slow_body->at_end());
  EXPECT_TRUE(idle->at_end());
  EXPECT_LT(sent, 200);  // 6 s of trickle is what it must not get
  PlainClient silent(server_->port());
  EXPECT_EQ(silent.receive_all(), "");
  EXPECT_EQ(service_.calls, 0U);
}

TEST_F(Limits_, WhoSaysNothingMakesRoomForWhoSpeaks) {
  options_.limits.handshakes = 8;
  options_.deadlines.handshake = base::minutes(1);
  // A byte, the head of a record that does not come, a record with one byte of a hello or with none, and the
  // head of a hello that is longer than its record: none is a hello.
  const std::string kNoHello[] = {"",
                                  "\x16",
                                  {"\x16\x03\x01\x02\x00", 5},
                                  {"\x16\x03\x01\x00\x01\x01", 6},
                                  {"\x16\x03\x01\x00\x00", 5},
                                  {"\x16\x03\x01\x00\x04\x01\x00\x02\x00", 9}};
  constexpr std::size_t kKinds = std::size(kNoHello);
  // Each kind alone, and all of them, the first to come being another one each time.
  for (std::size_t first = 0; first < 2 * kKinds; ++first) {
    SCOPED_TRACE(first);
    serve();
    std::vector<std::unique_ptr<PlainClient>> silent;
    for (std::size_t i = 0; i < options_.limits.handshakes; ++i) {
      silent.push_back(std::make_unique<PlainClient>(server_->port()));
      ASSERT_TRUE(silent.back()->send(kNoHello[(first < kKinds ? first : first + i) % kKinds]));
    }
    for (std::size_t i = 0; i < 3; ++i) {
      const auto client = connect();
      const auto got = client->ask(get("/v1/whoami"));
      ASSERT_TRUE(got) << i;
      EXPECT_EQ(got->status, 200) << i;
    }
    EXPECT_EQ(silent.front()->receive_all(), "");  // and no other had to go
    EXPECT_NE(monitor("/metrics").find("\nsigillo_connections_displaced_total 1\n"), std::string::npos);
    server_.reset();
  }
}

TEST_F(Limits_, WhatIsNoTlsIsRefusedAtOnce) {
  options_.deadlines.handshake = base::minutes(1);
  serve();
  PlainClient browser(server_->port());
  ASSERT_TRUE(browser.send(get("/")));
  EXPECT_TRUE(browser.stirs_within(15'000));
}

TEST_F(Limits_, AChannelGetsInWhileSilentConnectionsAreOpenedWithoutPause) {
  options_.deadlines.handshake = base::minutes(1);
  serve();
  std::atomic<bool> enough = false;
  std::deque<std::unique_ptr<PlainClient>> silent;
  const auto one_more = [&] { silent.push_back(std::make_unique<PlainClient>(server_->port())); };
  while (silent.size() < options_.limits.handshakes + 50) one_more();
  std::thread attacker([&] {
    while (!enough) {
      if (!silent.front()->stirs_within(1)) continue;
      silent.pop_front();
      one_more();
    }
  });
  std::size_t answered = 0;
  // As a channel's client does: who was turned away comes again.
  for (int i = 0; i < 100 && answered < 5; ++i) {
    const auto got = connect()->ask(get("/v1/whoami"));
    if (got && got->status == 200) ++answered;
  }
  enough = true;
  attacker.join();
  EXPECT_EQ(answered, 5U);
}

TEST_F(Limits_, AServiceThatDoesNotAnswerCostsItsConnectionOnly) {
  options_.deadlines.handler = {200};
  serve();
  const auto stuck = connect();
  service_.hold();
  ASSERT_TRUE(stuck->send(post("/v1/verifications", kVerification)));
  EXPECT_FALSE(stuck->receive());
  EXPECT_EQ(connect()->ask(get("/v1/whoami"))->status, 200);
  service_.release();
}

TEST_F(Limits_, ConnectionsAreLimitedByCertificateAndInTotal) {
  options_.limits.per_certificate = 2;
  options_.limits.connections = 3;
  const auto auditor = pki_.issue("a", "URI:urn:sigillo:channel:auditor:a");
  service_.enrol(appliance::Role::auditor, "a", auditor.key_digest());
  serve();
  const auto one = connect(), two = connect();
  ASSERT_EQ(one->ask(get("/v1/whoami"))->status, 200);
  ASSERT_EQ(two->ask(get("/v1/whoami"))->status, 200);
  EXPECT_FALSE(connect()->ask(get("/v1/whoami")));
  const auto other = connect(auditor);
  ASSERT_EQ(other->ask(get("/v1/whoami"))->status, 200);
  EXPECT_FALSE(connect(auditor)->connected());
}

TEST_F(Limits_, LargeAnswersThatAreNotTakenKeepTheirChannelWaitingAndNobodyElse) {
  options_.limits.answer_bytes_per_channel = 3 << 19;
  const auto enrolled = [this](const std::string& name) {
    auto made = pki_.issue(name, "URI:urn:sigillo:channel:auditor:" + name);
    service_.enrol(appliance::Role::auditor, name, made.key_digest());
    return made;
  };
  const Identity slow = enrolled("slow"), other = enrolled("other");
  // Four times what the kernel keeps of it for a reader that reads nothing.
  const std::string entry = '"' + std::string(16 << 20, 'e') + '"';
  service_.script = [&entry](const appliance::Call& call) {
    if (!std::holds_alternative<appliance::ReadLedger>(call.request)) return appliance::Answer(verified());
    const bool all = std::get<appliance::ReadLedger>(call.request).limit == 1000;
    return appliance::Answer(appliance::LedgerPage{{all ? entry : "{}"}, 1});
  };
  serve();
  const std::string page = get("/v1/ledger?limit=1000");
  const auto reader = connect(slow), again = connect(slow);
  ASSERT_TRUE(reader->send(page));
  service_.wait_for_calls(1);
  // The work is not begun, and nobody else is kept from it.
  const auto refused = again->ask(page);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503);
  EXPECT_NE(refused->body.find("\"overloaded\""), std::string::npos);
  EXPECT_EQ(refused->headers.at("retry-after"), "1");
  EXPECT_EQ(service_.calls, 1U);
  EXPECT_EQ(connect()->ask(post("/v1/verifications", kVerification))->status, 200);
  EXPECT_EQ(connect(other)->ask(get("/v1/ledger?limit=1"))->status, 200);
  EXPECT_EQ(again->ask(get("/v1/whoami"))->status, 200);
  const auto seen = monitor("/metrics");
  EXPECT_NE(seen.find("\nsigillo_answer_bytes_held "), std::string::npos);
  EXPECT_EQ(seen.find("\nsigillo_answer_bytes_held 0\n"), std::string::npos);
  // What it has taken is no burden any more.
  const auto taken = reader->receive();
  ASSERT_TRUE(taken);
  EXPECT_GT(taken->body.size(), entry.size());
  std::optional<Response> late;
  for (int i = 0; i < 1000 && (!late || late->status == 503); ++i) late = again->ask(page);
  EXPECT_EQ(late->status, 200);
}

TEST_F(Limits_, LargeAnswersThatAreBeingMadeCountByWhatTheyMayComeTo) {
  options_.limits.answer_bytes_per_channel = 2 << 20;
  const auto auditor = pki_.issue("a", "URI:urn:sigillo:channel:auditor:a");
  service_.enrol(appliance::Role::auditor, "a", auditor.key_digest());
  service_.script = [](const appliance::Call&) { return appliance::Answer(appliance::LedgerPage{}); };
  serve();
  service_.hold();
  const auto one = connect(auditor), two = connect(auditor), three = connect(auditor);
  ASSERT_TRUE(one->send(get("/v1/ledger?limit=1000")));
  ASSERT_TRUE(two->send(get("/v1/ledger?limit=1000")));
  service_.wait_for_calls(2);
  EXPECT_EQ(three->ask(get("/v1/ledger?limit=1000"))->status, 503);
  service_.release();
  EXPECT_EQ(one->receive()->status, 200);
  EXPECT_EQ(two->receive()->status, 200);
}

TEST_F(Limits_, AQuotaIsSaidAndKept) {
  options_.quotas = {.per_second = 1, .burst = 2};
  serve();
  const auto client = connect();
  const auto first = client->ask(get("/v1/whoami"));
  EXPECT_EQ(first->status, 200);
  EXPECT_EQ(first->headers.at("ratelimit-policy"), "\"channel\";q=1;w=1");
  EXPECT_EQ(first->headers.at("ratelimit").find("\"channel\";r=1;"), 0U);
  std::optional<Response> last;
  for (int i = 0; i < 50; ++i) {
    last = client->ask(get("/v1/whoami"));
    if (last->status == 429) break;
  }
  EXPECT_EQ(last->status, 429);
  EXPECT_EQ(last->headers.at("retry-after"), "1");
  EXPECT_NE(last->body.find("\"quota-exceeded\""), std::string::npos);
}

}  // namespace
}  // namespace sigillo::api::test
