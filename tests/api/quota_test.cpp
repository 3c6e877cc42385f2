#include <gtest/gtest.h>

#include "quota.hpp"

namespace sigillo::api {
namespace {

TEST(Quota, TheBurstIsGrantedThenTheRateAndEachCertificateHasItsOwn) {
  QuotaTable table({.per_second = 2, .burst = 3});
  const base::Digest one{1}, other{2};
  for (std::uint32_t left : {2U, 1U, 0U}) {
    const auto grant = table.take(one, 0);
    EXPECT_TRUE(grant.granted);
    EXPECT_EQ(grant.remaining, left);
  }
  EXPECT_FALSE(table.take(one, 0).granted);
  EXPECT_FALSE(table.take(one, 499).granted);
  EXPECT_TRUE(table.take(other, 499).granted);
  EXPECT_TRUE(table.take(one, 500).granted);
  EXPECT_FALSE(table.take(one, 500).granted);
}

TEST(Quota, WhoWaitsAsLongAsToldIsLetIn) {
  for (const std::uint32_t rate : {1U, 3U, 7U}) {
    QuotaTable table({.per_second = rate, .burst = 1});
    EXPECT_TRUE(table.take({}, 10).granted);
    const auto refused = table.take({}, 10);
    ASSERT_FALSE(refused.granted);
    EXPECT_GE(refused.wait_s, 1U);
    EXPECT_TRUE(table.take({}, 10 + 1000LL * refused.wait_s).granted);
  }
}

TEST(Quota, OffMeansOff) {
  QuotaTable table({.per_second = 0, .burst = 0});
  EXPECT_FALSE(table.on());
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(table.take({}, 0).granted);
}

TEST(Quota, TimeThatRunsBackGivesNothing) {
  QuotaTable table({.per_second = 1, .burst = 1});
  EXPECT_TRUE(table.take({}, 5000).granted);
  EXPECT_FALSE(table.take({}, 0).granted);
  EXPECT_FALSE(table.take({}, 5000).granted);
}

}  // namespace
}  // namespace sigillo::api
