// The load generator's own parts: what it asks, how it reads answers, how it counts time.
#include <gtest/gtest.h>

#include <set>

#include <appliance/subject.hpp>

#include "histogram.hpp"
#include "load_protocol.hpp"
#include "people.hpp"

namespace sigillo::bench {
namespace {

TEST(Histogram, QuantilesAreWithinOnePercentFromNanosecondsToMinutes) {
  Histogram histogram;
  for (std::uint64_t i = 1; i <= 1000; ++i) histogram.record(i * 60'000'000);
  for (const double quantile : {0.1, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = quantile * 60e9;
    EXPECT_NEAR(static_cast<double>(histogram.at(quantile)), exact, 0.01 * exact + 60e6) << quantile;
  }
  EXPECT_EQ(histogram.at(1), 60'000'000'000U);
  EXPECT_EQ(histogram.total(), 1000U);
  Histogram small;
  for (std::uint64_t i = 0; i < 100; ++i) small.record(i);
  EXPECT_EQ(small.at(0.5), 50U);
}

TEST(Histogram, OneStallAmongManyIsInTheTailAndNowhereElse) {
  Histogram histogram;
  for (int i = 0; i < 9'980; ++i) histogram.record(1'000);
  for (int i = 0; i < 20; ++i) histogram.record(50'000'000);
  EXPECT_LT(histogram.at(0.99), 1'010U);
  EXPECT_GT(histogram.at(0.999), 49'000'000U);
  EXPECT_EQ(Histogram().at(0.5), 0U);
}

TEST(People, EveryCodeIsValidAndNobodyElses) {
  std::set<std::string> seen;
  for (std::uint64_t n = 0; n < 20'000; ++n) {
    const auto code = code_of(n * 997);
    EXPECT_TRUE(appliance::Subject::parse(text(code))) << text(code);
    EXPECT_TRUE(seen.emplace(text(code)).second) << text(code);
  }
  const auto pin = pin_of(1, 7, Secret::definitive);
  EXPECT_EQ(pin, pin_of(1, 7, Secret::definitive));
  EXPECT_NE(pin, pin_of(2, 7, Secret::definitive));
  EXPECT_NE(pin, wrong(pin));
}

Target target(const std::string& mode) {
  return {.mode = mode, .seed = 1, .active = 90, .provisional = 10, .first = 0, .run = 1};
}

TEST(Protocol, WrongGuessesVisitEverybodyBeforeAnybodyASecondTime) {
  const auto wrong = make_protocol(target("wrong"));
  std::set<std::string> asked;
  for (std::uint64_t k = 0; k < 90; ++k) EXPECT_TRUE(asked.emplace(wrong->request(k)).second);
  EXPECT_FALSE(asked.emplace(wrong->request(90)).second);
}

TEST(Protocol, AnActivationIsAskedForOnceAndThenNobodyIsLeft) {
  const auto activate = make_protocol(target("activate"));
  EXPECT_FALSE(activate->request(9).empty());
  EXPECT_TRUE(activate->request(10).empty());
  auto later = target("activate");
  later.first = 9;
  EXPECT_TRUE(make_protocol(later)->request(1).empty());
  EXPECT_EQ(make_protocol(target("dance")), nullptr);
}

TEST(Protocol, TheLengthThatIsSaidIsTheBodys) {
  for (const char* mode : {"right", "receipt", "wrong", "unknown", "provisional", "issue", "activate"}) {
    const std::string request(make_protocol(target(mode))->request(3));
    const auto end = request.find("\r\n\r\n");
    ASSERT_NE(end, std::string::npos) << mode;
    const std::string said = "Content-Length: " + std::to_string(request.size() - end - 4) + "\r\n";
    EXPECT_NE(request.find(said), std::string::npos) << request;
    EXPECT_EQ(request.find("HERE"), std::string::npos) << mode;
  }
}

TEST(Protocol, AnAnswerIsTakenWhenItIsWholeAndOnlyAsWhatItIs) {
  const std::string good =
      "HTTP/1.1 200 OK\r\nContent-Length: 22\r\nX-Request-Id: 1\r\n\r\n{\"outcome\":\"verified\"}";
  const auto right = make_protocol(target("right"));
  bool expected = false;
  for (std::size_t some = 0; some < good.size(); ++some)
    EXPECT_EQ(right->answer(good.substr(0, some), expected), 0U);
  EXPECT_EQ(right->answer(good + "HTTP/1.1 200", expected), good.size());
  EXPECT_TRUE(expected);
  EXPECT_EQ(make_protocol(target("wrong"))->answer(good, expected), good.size());
  EXPECT_FALSE(expected);
  const std::string outage = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(right->answer(outage, expected), outage.size());
  EXPECT_FALSE(expected);
}

TEST(Protocol, ABindIsToldFromARefusedOne) {
  using namespace std::string_literals;
  const auto bound = "\x30\x0c\x02\x01\x05\x61\x07\x0a\x01\x00\x04\x00\x04\x00"s;
  const auto refused = "\x30\x0c\x02\x01\x05\x61\x07\x0a\x01\x31\x04\x00\x04\x00"s;
  bool expected = false;
  EXPECT_EQ(make_protocol(target("ldap-right"))->answer(bound, expected), bound.size());
  EXPECT_TRUE(expected);
  EXPECT_EQ(make_protocol(target("ldap-right"))->answer(refused, expected), refused.size());
  EXPECT_FALSE(expected);
  EXPECT_EQ(make_protocol(target("ldap-wrong"))->answer(refused, expected), refused.size());
  EXPECT_TRUE(expected);
}

}  // namespace
}  // namespace sigillo::bench
