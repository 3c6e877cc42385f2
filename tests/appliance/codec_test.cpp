// What a record type learnt to keep later: records of before are read, and to the last byte as ever.
#include "codec.hpp"

#include <gtest/gtest.h>

#include <appliance/records.hpp>

namespace sigillo::appliance {
namespace {

struct Before {
  std::string name;
  template <class V>
  void fields(V&& v) {
    v(name);
  }
};
struct Now {
  std::string name;
  Appended<std::vector<std::uint32_t>> numbers;
  template <class V>
  void fields(V&& v) {
    v(name, numbers);
  }
};

TEST(Codec, ARecordOfBeforeIsReadAndOneThatSaysNothingMoreIsWrittenAsThen) {
  const auto of_before = codec::encode(Before{"Rossi"});
  EXPECT_EQ(codec::encode(Now{"Rossi", {}}), of_before);
  const auto read = codec::decode<Now>(of_before);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->name, "Rossi");
  EXPECT_TRUE(read->numbers.value.empty());
}

TEST(Codec, WhatWasAppendedComesBackAndWhatIsBehindItIsRefused) {
  auto written = codec::encode(Now{"Rossi", {{7, 300}}});
  const auto read = codec::decode<Now>(written);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->numbers.value, (std::vector<std::uint32_t>{7, 300}));
  auto cut = written;
  cut.pop_back();
  EXPECT_FALSE(codec::decode<Now>(cut));
  written.push_back(0);
  EXPECT_FALSE(codec::decode<Now>(written));
}

TEST(Codec, ASubjectOfBeforeIsReadAndHasNoCounterThatEnded) {
  SubjectRecord record;
  record.hint = "501U";
  record.portal_revoked = base::Instant{5};
  const auto of_before = codec::encode(record);
  record.ended.value.health_card = base::Instant{6};
  const auto written = codec::encode(record);
  ASSERT_GT(written.size(), of_before.size());
  EXPECT_TRUE(std::equal(of_before.begin(), of_before.end(), written.begin())) << "it stands at the end";
  const auto read = codec::decode<SubjectRecord>(of_before), again = codec::decode<SubjectRecord>(written);
  ASSERT_TRUE(read && again);
  EXPECT_EQ(read->ended, Appended<CountersEnded>{});
  EXPECT_EQ(again->ended, record.ended);
  EXPECT_EQ(again->portal_revoked, record.portal_revoked);
}

}  // namespace
}  // namespace sigillo::appliance
