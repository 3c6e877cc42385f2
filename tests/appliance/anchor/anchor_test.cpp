// The anchor by itself, on the fake token: what a record asks of the HSM, and what it makes of each answer.
// Two real processes on SoftHSM2: processes_test.cpp.
#include "anchor.hpp"

#include <algorithm>
#include <functional>

#include <gtest/gtest.h>

#include <base/crypto.hpp>
#include <hsm/fake_token.hpp>

namespace sigillo::appliance {
namespace {

using hsm::FakeToken;
using sealed_store::Head;
using Call = FakeToken::Call;

Head head_of(std::uint64_t seq, const char* branch = "ours") {
  return {.node = 1,
          .seq = seq,
          .hash = base::sha256({base::view(branch), base::view(std::to_string(seq))}),
          .time = {}};
}

class AnchorTest : public ::testing::Test {
 protected:
  static constexpr const char* kLabel = "sigillo.anchor-1";
  void SetUp() override { begin(anchor_, 1); }
  static void begin(Anchor& anchor, std::uint64_t seq) {
    ASSERT_TRUE(anchor.recorded());
    ASSERT_TRUE(anchor.take_over(head_of(seq)));
  }
  std::uint64_t newest() {
    Anchor next(token_, 1);
    const auto found = next.recorded();
    return found && *found ? (*found)->seq : 0;
  }
  std::vector<std::uint64_t> counts() const {
    std::vector<std::uint64_t> out;
    for (const auto call : {Call::random, Call::create_data, Call::list_data, Call::destroy_data,
                            Call::rewrite_data, Call::read_data})
      out.push_back(token_.count(call));
    return out;
  }
  // Another's hand in the cell that was written last: of the newest objects, one that may be rewritten.
  void write_over_newest(const Head& head) {
    const auto before = *token_.list_data(kLabel);
    const Head found = *anchor_.newest().value();
    for (const auto& object : before) {
      auto value = object.value;
      if (base::read_be<std::uint64_t>(base::ByteView(value).subspan(13)) != found.seq) continue;
      base::Bytes seq;
      base::append_be(seq, head.seq);
      std::ranges::copy(seq, value.begin() + 13);
      std::ranges::copy(head.hash, value.begin() + 21);
      if (token_.rewrite_data(object.handle, value)) return;
    }
    FAIL() << "no cell was found";
  }

  FakeToken token_;
  Anchor anchor_{token_, 1, Anchor::Use::founding};
};

TEST_F(AnchorTest, ARecordIsOneWriteAndTwoReadsWhateverTheirNumber) {
  for (std::uint64_t seq = 2; seq < 20; ++seq) {
    const auto before = counts();
    ASSERT_TRUE(anchor_.record(head_of(seq)));
    auto asked = counts();
    std::ranges::transform(asked, before, asked.begin(), std::minus());
    EXPECT_EQ(asked, (std::vector<std::uint64_t>{0, 0, 0, 0, 1, 2})) << seq;
    EXPECT_EQ(anchor_.newest().value()->seq, seq);
  }
  EXPECT_EQ(newest(), 19U);
}

TEST_F(AnchorTest, AModuleThatChangesNothingGetsAnAnchorForEachHead) {
  token_.refuse_rewriting(true);
  begin(anchor_, 1);
  const auto made = token_.count(Call::create_data), gone = token_.count(Call::destroy_data);
  for (std::uint64_t seq = 2; seq < 10; ++seq) {
    ASSERT_TRUE(anchor_.record(head_of(seq)));
    EXPECT_EQ(token_.list_data(kLabel)->size(), 1U);
  }
  EXPECT_EQ(token_.count(Call::create_data) - made, 8U);
  EXPECT_EQ(token_.count(Call::destroy_data) - gone, 8U);
  EXPECT_EQ(newest(), 9U);
  // And back: the module was replaced by one that does.
  token_.refuse_rewriting(false);
  Anchor next(token_, 1);
  begin(next, 9);
  ASSERT_TRUE(next.record(head_of(10)));
  EXPECT_EQ(newest(), 10U);
}

TEST_F(AnchorTest, AWriteThatFailedIsDoneAgainAndWhatIsInForceStands) {
  ASSERT_TRUE(anchor_.record(head_of(2)));
  for (const auto call : {Call::rewrite_data, Call::read_data}) {
    for (const bool done : {false, true}) {
      const std::uint64_t last = anchor_.newest().value()->seq;
      const auto listed = token_.list_data(kLabel)->size();
      if (done)
        token_.fail_after_effect(call, 1, hsm::Errc::unavailable);
      else
        token_.fail(call, 1, hsm::Errc::unavailable);
      EXPECT_FALSE(anchor_.record(head_of(last + 1)));
      EXPECT_GE(newest(), last);
      EXPECT_LE(newest(), last + 1);
      ASSERT_TRUE(anchor_.record(head_of(last + 2)));
      EXPECT_EQ(newest(), last + 2);
      EXPECT_EQ(token_.list_data(kLabel)->size(), listed) << "nothing is made for it";
    }
  }
}

// What a write that failed in its middle leaves: an object that is in no list any more. It is noticed when it
// is its turn, and all are made anew.
TEST_F(AnchorTest, WhatIsLostIsMadeAnew) {
  std::uint64_t seq = 1;
  const auto whole = token_.list_data(kLabel)->size();
  for (std::size_t lost = 0; lost < 3 * whole; ++lost) {
    SCOPED_TRACE(lost);
    ASSERT_TRUE(anchor_.record(head_of(++seq)));
    ASSERT_TRUE(token_.destroy_data((*token_.list_data(kLabel))[lost % whole].handle));
    for (std::size_t i = 0; i < whole; ++i) {
      ASSERT_TRUE(anchor_.record(head_of(++seq)));
      EXPECT_EQ(newest(), seq);
    }
    EXPECT_EQ(token_.list_data(kLabel)->size(), whole);
  }
}

// Two at once are more than any one failure loses, and one of them was in force: what is left is not
// believed.
TEST_F(AnchorTest, WhoseHeadInForceIsGoneStops) {
  for (std::uint64_t seq = 2; seq < 7; ++seq) ASSERT_TRUE(anchor_.record(head_of(seq)));
  const auto all = *token_.list_data(kLabel);
  for (const auto& object : all) {
    const auto seq = base::read_be<std::uint64_t>(base::ByteView(object.value).subspan(13));
    if (seq != 6 && seq != 3) continue;
    ASSERT_TRUE(token_.destroy_data(object.handle));
  }
  const auto refused = anchor_.record(head_of(7));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(sealed_store::Errc::fenced));
}

TEST_F(AnchorTest, WhoWasTakenOverRecordsNoMore) {
  ASSERT_TRUE(anchor_.record(head_of(2)));
  Anchor other(token_, 1);
  begin(other, 2);
  const auto refused = anchor_.record(head_of(3));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(sealed_store::Errc::fenced));
  EXPECT_TRUE(other.check());
  ASSERT_TRUE(other.record(head_of(3, "theirs")));
  EXPECT_EQ(newest(), 3U);
}

// Who looks at the token, and whom the running copy overtakes before the anchor is destroyed, is stopped: by
// the second look.
TEST_F(AnchorTest, WhoTakesOverFromAHeadOfBeforeIsStopped) {
  ASSERT_TRUE(anchor_.record(head_of(2)));
  Anchor other(token_, 1);
  ASSERT_EQ((*other.recorded())->seq, 2U);
  ASSERT_TRUE(anchor_.record(head_of(3)));
  const auto refused = other.take_over(head_of(2));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(sealed_store::Errc::fenced));
  EXPECT_EQ(newest(), 3U) << "and what it left behind says the truth";
  ASSERT_TRUE(anchor_.record(head_of(4))) << "who was to be taken over takes back what is its own";
  EXPECT_EQ(newest(), 4U);
}

// A virtual machine that is put back with its memory, beside a token that is not: its anchor is there, and
// the cell that it wrote last says more than it knows. It is stopped before its next answer, or by its timer.
TEST_F(AnchorTest, WhoWasPutBackWithItsMemoryAnswersNoMore) {
  ASSERT_TRUE(anchor_.record(head_of(2)));
  write_over_newest(head_of(7, "since"));
  const auto refused = anchor_.record(head_of(3));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(sealed_store::Errc::fenced));
  EXPECT_FALSE(anchor_.record(head_of(8)));
}

TEST_F(AnchorTest, WhoWasPutBackWithItsMemoryNoticesByItself) {
  ASSERT_TRUE(anchor_.record(head_of(2)));
  ASSERT_TRUE(anchor_.check());
  write_over_newest(head_of(7, "since"));
  const auto noticed = anchor_.check();
  ASSERT_FALSE(noticed);
  EXPECT_TRUE(noticed.error().is(sealed_store::Errc::fenced));
}

}  // namespace
}  // namespace sigillo::appliance
