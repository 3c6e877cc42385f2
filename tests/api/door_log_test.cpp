#include <gtest/gtest.h>

#include <algorithm>

#include "door_log.hpp"

namespace sigillo::api {
namespace {

// Attack: (1) have a thousand certificates, or one CA's carelessness, (2) fill memory and log with refusals.
TEST(DoorLog, TellsOfABoundedNumberInAnHourAndOfAsManyInTheNext) {
  DoorLog log;
  const auto told = [&log](base::Instant now) {
    testing::internal::CaptureStderr();
    for (std::uint16_t n = 0; n < DoorLog::kToldMax + 100; ++n) {
      PeerIdentity peer;
      peer.certificate_key[0] = static_cast<base::Byte>(n >> 8U);
      peer.certificate_key[1] = static_cast<base::Byte>(n);
      log.turned_away(Code::channel_unknown, peer, now);
    }
    const std::string lines = testing::internal::GetCapturedStderr();
    EXPECT_NE(lines.find("turned-away code=channel-unknown channel=none"), std::string::npos);
    return static_cast<std::size_t>(std::ranges::count(lines, '\n'));
  };
  const base::Instant now{1'700'000'000'000};
  EXPECT_EQ(told(now), DoorLog::kToldMax);
  EXPECT_EQ(told(now + base::hours(1)), DoorLog::kToldMax);
}

TEST(DoorLog, IsForWhoMayNotComeInAndNotForWhatIsAskedWrongly) {
  EXPECT_TRUE(DoorLog::is_for(Code::channel_revoked) && DoorLog::is_for(Code::quota_exceeded));
  EXPECT_FALSE(DoorLog::is_for(Code::invalid_request) || DoorLog::is_for(Code::four_eyes) ||
               DoorLog::is_for(Code::delivery_limit));
}

}  // namespace
}  // namespace sigillo::api
