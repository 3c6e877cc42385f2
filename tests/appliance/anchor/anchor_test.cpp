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
  // What this copy writes between a snapshot of its memory and its end: each head into the cell of the
  // oldest.
  void record_by_another_hand(std::uint64_t seq) {
    auto all = *token_.list_data(kLabel);
    std::erase_if(all, [](const hsm::DataObject& object) { return object.value[0] != kCell; });
    auto& oldest =
        *std::ranges::min_element(all, {}, [](const hsm::DataObject& object) { return seq_of(object); });
    base::Bytes now;
    base::append_be(now, seq);
    std::ranges::copy(now, oldest.value.begin() + 13);
    std::ranges::copy(head_of(seq, "since").hash, oldest.value.begin() + 21);
    ASSERT_TRUE(token_.rewrite_data(oldest.handle, oldest.value));
  }
  static std::uint64_t seq_of(const hsm::DataObject& object) {
    return base::read_be<std::uint64_t>(base::ByteView(object.value).subspan(13));
  }
  static constexpr base::Byte kCell = 4;

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

// Attack: (1) two copies run. (2) The second is stopped at its start, for the first has recorded since it
// looked. (3) It goes on to record all the same: what it makes is newer than all else, and its own.
TEST_F(AnchorTest, WhoDidNotTakeOverRecordsNothing) {
  Anchor never(token_, 1);
  EXPECT_FALSE(never.record(head_of(2, "another")));
  Anchor late(token_, 1);
  ASSERT_TRUE(late.recorded());
  for (std::uint64_t seq = 2; seq < 8; ++seq) ASSERT_TRUE(anchor_.record(head_of(seq)));
  ASSERT_FALSE(late.take_over(head_of(1)));
  for (int tries = 0; tries < 3; ++tries) EXPECT_FALSE(late.record(head_of(2, "another")));
  Anchor unlucky(token_, 1);
  ASSERT_TRUE(unlucky.recorded());
  token_.fail(Call::create_data, 2, hsm::Errc::unavailable);
  token_.fail(Call::read_data, 1, hsm::Errc::unavailable);
  ASSERT_FALSE(unlucky.take_over(head_of(7)));
  for (int tries = 0; tries < 3; ++tries) EXPECT_FALSE(unlucky.record(head_of(8, "another")));
  EXPECT_EQ(newest(), 7U);
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
    const auto seq = seq_of(object);
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

// A virtual machine that is put back with its memory, beside a token that is not, after any number of
// records: its anchor is there, and the next cell says more than it knows. It answers no more, and overwrites
// nothing.
TEST_F(AnchorTest, WhoWasPutBackWithItsMemoryIsFencedAndOverwritesNothing) {
  for (const bool by_timer : {false, true}) {
    for (std::uint64_t since = 1; since <= 9; ++since) {
      SCOPED_TRACE(since);
      Anchor anchor(token_, 1);
      begin(anchor, newest());
      const std::uint64_t then = newest() + 4 + since % 3;
      for (std::uint64_t seq = newest() + 1; seq <= then; ++seq) ASSERT_TRUE(anchor.record(head_of(seq)));
      ASSERT_TRUE(anchor.check());
      for (std::uint64_t seq = then + 1; seq <= then + since; ++seq) record_by_another_hand(seq);
      const auto refused = by_timer ? anchor.check() : anchor.record(head_of(then + 1));
      ASSERT_FALSE(refused);
      EXPECT_TRUE(refused.error().is(sealed_store::Errc::fenced));
      EXPECT_FALSE(anchor.record(head_of(then + 2)));
      EXPECT_EQ(newest(), then + since);
    }
  }
}

// A copy that was stopped long ago makes an object of its epoch after another served and a third destroyed
// what that one had: the third's claim stands for more.
TEST_F(AnchorTest, WhatAStoppedCopyMakesLateDoesNotComeBeforeALaterClaim) {
  for (std::uint64_t seq = 2; seq < 9; ++seq) ASSERT_TRUE(anchor_.record(head_of(seq)));
  const auto early = token_.list_data(kLabel)->front().value;
  Anchor second(token_, 1);
  begin(second, 8);
  for (std::uint64_t seq = 9; seq < 15; ++seq) ASSERT_TRUE(second.record(head_of(seq)));
  Anchor third(token_, 1);
  ASSERT_EQ((*third.recorded())->seq, 14U);
  // Its claim is all there is, and it ends.
  token_.fail(Call::random, 2, hsm::Errc::unavailable);
  ASSERT_FALSE(third.take_over(head_of(14)));
  ASSERT_EQ(token_.list_data(kLabel)->size(), 1U);
  ASSERT_TRUE(token_.create_rewritable_data(kLabel, early));
  EXPECT_EQ(newest(), 14U);
  Anchor fourth(token_, 1);
  begin(fourth, 14);
  ASSERT_TRUE(fourth.record(head_of(15)));
  EXPECT_EQ(newest(), 15U);
}

// A creation that failed with its effect leaves a cell that nobody holds, beside anchors made anew: a start
// that is killed between them does not leave it for the next.
TEST_F(AnchorTest, ACellThatNobodyHoldsIsNeverBelieved) {
  for (std::uint64_t call = 1; call <= 4; ++call) {
    SCOPED_TRACE(call);
    const auto from = newest();
    Anchor serves(token_, 1);
    ASSERT_TRUE(serves.recorded());
    token_.fail_after_effect(Call::create_data, 3, hsm::Errc::unavailable);
    ASSERT_TRUE(serves.take_over(head_of(from)));
    EXPECT_EQ(token_.list_data(kLabel)->size(), 2U);
    for (std::uint64_t seq = from + 1; seq < from + 9; ++seq) ASSERT_TRUE(serves.record(head_of(seq)));
    Anchor killed(token_, 1);
    ASSERT_EQ((*killed.recorded())->seq, from + 8);
    token_.fail(Call::destroy_data, call, hsm::Errc::unavailable);
    static_cast<void>(killed.take_over(head_of(from + 8)));
    token_.heal();
    EXPECT_EQ(newest(), from + 8);
  }
}

// All but cells is gone: there is nothing that only one of two can destroy, and still only one of them
// serves.
TEST_F(AnchorTest, OfTwoThatFindNoAnchorOneServes) {
  ASSERT_TRUE(anchor_.record(head_of(2)));
  const auto all = *token_.list_data(kLabel);
  for (const auto& object : all) {
    if (object.value[0] == kCell) continue;
    ASSERT_TRUE(token_.destroy_data(object.handle));
  }
  Anchor first(token_, 1), second(token_, 1);
  ASSERT_EQ((*first.recorded())->seq, 2U);
  ASSERT_EQ((*second.recorded())->seq, 2U);
  ASSERT_TRUE(first.take_over(head_of(2)));
  const auto refused = second.take_over(head_of(2));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(sealed_store::Errc::fenced));
  ASSERT_TRUE(first.record(head_of(3)));
}

// One that refuses to change an object and calls it its own failure, and one that has no room for so many.
TEST_F(AnchorTest, AModuleThatRefusesInItsOwnWordsServes) {
  for (const auto call : {Call::rewrite_data, Call::create_data}) {
    Anchor next(token_, 1);
    const auto from = newest();
    ASSERT_TRUE(next.recorded());
    token_.fail(call, call == Call::create_data ? 3 : 1, hsm::Errc::unavailable);
    ASSERT_TRUE(next.take_over(head_of(from)));
    for (std::uint64_t seq = from + 1; seq < from + 5; ++seq) ASSERT_TRUE(next.record(head_of(seq)));
    EXPECT_EQ(token_.list_data(kLabel)->size(), 1U);
    EXPECT_EQ(newest(), from + 4);
  }
}

}  // namespace
}  // namespace sigillo::appliance
