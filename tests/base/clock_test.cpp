#include <base/clock.hpp>

#include <gtest/gtest.h>

namespace sigillo::base {
namespace {

TEST(Clock, AnInstantIsWrittenAsRfc3339) {
  EXPECT_EQ(to_rfc3339({0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(to_rfc3339({951'782'399'999}), "2000-02-28T23:59:59Z");
  EXPECT_EQ(to_rfc3339({951'782'400'000}), "2000-02-29T00:00:00Z");
  EXPECT_EQ(to_rfc3339({-1}), "1969-12-31T23:59:59Z");  // down, not towards zero
}

TEST(Clock, ADurationIsANumberAndAUnit) {
  EXPECT_EQ(parse_duration("90s"), seconds(90));
  EXPECT_EQ(parse_duration("10m"), minutes(10));
  EXPECT_EQ(parse_duration("24h"), hours(24));
  EXPECT_EQ(parse_duration("60d"), days(60));
  EXPECT_EQ(parse_duration("36500d"), days(36'500));
  for (const char* bad : {"", "s", "10", "-1s", "+1s", " 1s", "1s ", "1 s", "1.5h", "1w", "1S", "0x1s",
                          "36501d", "99999999999999999999s", "876001h"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
}

TEST(Clock, ADurationIsWrittenInItsShortestForm) {
  for (const char* text : {"60d", "25h", "10m", "90s", "0s"}) EXPECT_EQ(to_text(*parse_duration(text)), text);
  EXPECT_EQ(to_text(seconds(3600)), "1h");
  EXPECT_EQ(to_text(hours(48)), "2d");
}

TEST(Clock, WhoMustWaitIsToldToComeTooLateAndNeverTooEarly) {
  EXPECT_EQ(Duration{0}.seconds_up(), 0);
  EXPECT_EQ(Duration{1}.seconds_up(), 1);
  EXPECT_EQ(Duration{1000}.seconds_up(), 1);
  EXPECT_EQ(Duration{1001}.seconds_up(), 2);
}

TEST(Clock, AManualClockMovesOnlyWhenItIsTold) {
  ManualClock clock({5});
  EXPECT_EQ(clock.now(), Instant{5});
  clock.advance(seconds(2));
  EXPECT_EQ(clock.now(), Instant{2005});
  clock.set({1});
  EXPECT_EQ(clock.now() - Instant{0}, Duration{1});
}

}  // namespace
}  // namespace sigillo::base
