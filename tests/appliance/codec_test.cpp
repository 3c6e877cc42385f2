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

struct Small {
  bool flag = false;
  std::optional<std::uint8_t> maybe;
  Medium medium = Medium::sms;
  std::int16_t year = 0;
  std::uint64_t count = 0;
  template <class V>
  void fields(V&& v) {
    v(flag, maybe, medium, year, count);
  }
};

// Two forms of one record would be two records to whoever compares, and what is cut to its type's width on
// the way in says something else on the way out.
TEST(Codec, WhatItWouldNotWriteItDoesNotRead) {
  const auto written = codec::encode(Small{true, 7, Medium::email, -1, 300});
  ASSERT_EQ(written, (base::Bytes{1, 1, 7, 2, 1, 0xac, 2}));
  ASSERT_TRUE(codec::decode<Small>(written));
  const struct {
    base::Bytes bytes;
    const char* what;
  } kOthers[] = {
      {{2, 1, 7, 2, 1, 0xac, 2}, "a truth value that is neither"},
      {{1, 2, 2, 1, 0xac, 2}, "there, not there, or what"},
      {{1, 1, 7, 0x82, 2, 1, 0xac, 2}, "a medium of 258"},
      {{1, 1, 7, 2, 0x81, 0x80, 8, 0xac, 2}, "a year past 16 bits"},
      {{1, 1, 7, 2, 1, 0xac, 0x82, 0}, "300 in three bytes"},
      {{1, 1, 7, 2, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, "a number past 64 bits"},
  };
  for (const auto& [bytes, what] : kOthers) EXPECT_FALSE(codec::decode<Small>(bytes)) << what;
  const auto most = codec::encode(Small{false, {}, Medium::sms, INT16_MIN, UINT64_MAX});
  const auto read = codec::decode<Small>(most);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->year, INT16_MIN);
  EXPECT_EQ(read->count, UINT64_MAX);
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
