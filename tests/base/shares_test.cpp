#include <base/shares.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <random>

#include <base/crypto.hpp>

namespace sigillo::base {
namespace {

using Verdict = ShareCollector::Verdict;
using What = ShareFault::What;

constexpr const char* kRoma = "sigillo-roma";

Secret typed(std::string_view text) {
  return Secret(view(text));
}
std::string text_of(const Share& share) {
  return std::string(share.text().expose_text());
}
std::string row_of(const Share& share, unsigned row) {
  return text_of(share).substr((row - 1) * 20, 19);
}

class Shares : public testing::Test {
 protected:
  const unsigned seed_ = std::random_device{}();
  std::mt19937 dice_{seed_};
  void SetUp() override { RecordProperty("seed", std::to_string(seed_)); }
  void TearDown() override {
    if (HasFailure()) std::fprintf(stderr, "seed %u\n", seed_);
  }
  unsigned roll(unsigned from, unsigned to) {
    return std::uniform_int_distribution<unsigned>(from, to)(dice_);
  }
};

TEST_F(Shares, AnyThresholdOfThemGiveThePinAndOneFewerNeverDo) {
  for (const auto& [threshold, count] : {std::pair{2U, 2U}, {2U, 3U}, {3U, 5U}, {5U, 5U}, {4U, 9U}}) {
    const auto split = split_new_pin(kRoma, threshold, count);
    ASSERT_TRUE(split);
    ASSERT_EQ(split->shares.size(), count);
    for (unsigned subset = 0; subset < 1U << count; ++subset) {
      ShareCollector collector(kRoma);
      std::vector<unsigned> order;
      for (unsigned i = 0; i < count; ++i)
        if (subset >> i & 1U) order.push_back(i);
      std::ranges::shuffle(order, dice_);
      for (const unsigned i : order) {
        const auto verdict = collector.add(split->shares[i].clone());
        EXPECT_EQ(verdict, collector.have() >= threshold ? Verdict::enough : Verdict::taken);
      }
      const auto pin = collector.pin();
      EXPECT_EQ(pin.has_value(), order.size() >= threshold);
      if (pin) {
        EXPECT_EQ(pin->expose_text(), split->pin.expose_text());
      }
    }
  }
}

TEST_F(Shares, SplitAgainTheyGiveTheSamePinForOtherNumbersAndTheFormerOnesStayGood) {
  for (const auto kind : {ShareKind::authorisation, ShareKind::backup}) {
    const auto split = split_new_pin(kRoma, 3, 5, kind);
    const auto& former = split->shares.front().of;
    for (const auto& [threshold, count] : {std::pair{2U, 4U}, {3U, 5U}, {16U, 16U}}) {
      const auto again = split_again(split->pin, former, threshold, count);
      ASSERT_TRUE(again);
      EXPECT_EQ(again->pin.expose_text(), split->pin.expose_text());
      const auto& of = again->shares.front().of;
      EXPECT_EQ(of, (ShareSet{kind, former.appliance, of.set, threshold, count}));
      EXPECT_NE(of.set, former.set);
      ShareCollector collector(kRoma, {}, kind);
      for (unsigned i = 0; i < threshold; ++i) collector.add(again->shares[i].clone());
      EXPECT_EQ(collector.add(split->shares[0].clone()), Verdict::other_set);
      EXPECT_EQ(collector.pin()->expose_text(), split->pin.expose_text());
    }
    ShareCollector collector(kRoma, {}, kind);
    for (const unsigned i : {4U, 0U, 2U}) collector.add(split->shares[i].clone());
    EXPECT_EQ(collector.pin()->expose_text(), split->pin.expose_text());
    EXPECT_FALSE(split_again(split->pin, former, 1, 4));
    EXPECT_FALSE(split_again(split->pin, former, 5, 4));
    EXPECT_FALSE(split_again(split->pin, former, 2, 17));
  }
  const auto split = split_new_pin(kRoma, 2, 2);
  const auto& former = split->shares.front().of;
  for (const char* none : {"", "ABCD", "0BCDEFGHABCDEFGHABCDEFGHABCDEFGH"})
    EXPECT_FALSE(split_again(typed(none), former, 2, 2)) << none;
}

TEST_F(Shares, SixteenOfSixteenAreTheMostThereCanBe) {
  const auto split = split_new_pin(kRoma, kSharesMax, kSharesMax);
  ShareCollector collector;
  for (const auto& share : split->shares) {
    EXPECT_FALSE(collector.pin());
    static_cast<void>(collector.add(share.clone()));
  }
  EXPECT_EQ(collector.pin()->expose_text(), split->pin.expose_text());
  EXPECT_FALSE(split_new_pin(kRoma, 1, 3));  // one custodian alone would hold the PIN
  EXPECT_FALSE(split_new_pin(kRoma, 0, 0));
  EXPECT_FALSE(split_new_pin(kRoma, 4, 3));
  EXPECT_FALSE(split_new_pin(kRoma, 3, kSharesMax + 1));
}

TEST_F(Shares, SharesThatClaimALowerThresholdGiveNothing) {
  const auto split = split_new_pin(kRoma, 3, 5);
  ShareCollector collector;
  for (unsigned i = 0; i < 2; ++i) {
    auto share = split->shares[i].clone();
    share.of.threshold = 2;
    static_cast<void>(collector.add(std::move(share)));
  }
  EXPECT_EQ(collector.have(), collector.needed());
  EXPECT_FALSE(collector.pin());
}

TEST_F(Shares, AShareAlteredOnPurposeWithGoodChecksIsSeenBeforeATokenIsAsked) {
  const auto split = split_new_pin(kRoma, 2, 3);
  for (std::size_t byte = 0; byte < split->shares[0].value.size(); ++byte) {
    auto forged = split->shares[0].clone();
    forged.value.writable()[byte] ^= static_cast<Byte>(roll(1, 255));
    ASSERT_TRUE(std::holds_alternative<Share>(parse_share(forged.text())));
    ShareCollector collector(kRoma);
    static_cast<void>(collector.add(std::move(forged)));
    EXPECT_EQ(collector.add(split->shares[1].clone()), Verdict::enough);
    EXPECT_FALSE(collector.pin()) << byte;
  }
}

TEST_F(Shares, APrintedShareIsReadBackInAnyCaseAndSpacing) {
  const auto split = split_new_pin(kRoma, 3, 5);
  for (const auto& share : split->shares) {
    std::string text = text_of(share);
    EXPECT_EQ(std::ranges::count(text, '\n'), 4);
    EXPECT_EQ(text.find_first_not_of(std::string(kShareAlphabet) + " \n"), std::string::npos);
    std::string tight;
    for (const char c : text) {
      if (c != ' ' && c != '\n') tight += static_cast<char>(roll(0, 1) != 0U ? std::tolower(c) : c);
    }
    for (const auto& form : {text, tight, "  " + tight.substr(0, 5) + "-" + tight.substr(5) + "\r\n"}) {
      const auto parsed = parse_share(typed(form));
      ASSERT_TRUE(std::holds_alternative<Share>(parsed));
      const auto& back = std::get<Share>(parsed);
      EXPECT_EQ(back.of, share.of);
      EXPECT_EQ(back.number, share.number);
      EXPECT_TRUE(constant_time_equal(back.value, share.value));
    }
    for (unsigned row = 1; row <= kShareRows; ++row)
      EXPECT_FALSE(check_share_row(row, typed(row_of(share, row))));
  }
}

TEST_F(Shares, EverySingleWrongCharacterIsCaughtInItsRow) {
  const auto split = split_new_pin(kRoma, 2, 3);
  const std::string right = text_of(split->shares[roll(0, 2)]);
  for (std::size_t at = 0; at < right.size(); ++at) {
    if (right[at] == ' ' || right[at] == '\n') continue;
    const unsigned row = static_cast<unsigned>(at / 20) + 1;
    for (int c = 0x20; c < 0x7f; ++c) {
      if (std::toupper(c) == right[at]) continue;
      std::string wrong = right;
      wrong[at] = static_cast<char>(c);
      const auto of_row = check_share_row(row, typed(wrong.substr((row - 1) * 20, 19)));
      ASSERT_TRUE(of_row) << at << ' ' << static_cast<char>(c);
      EXPECT_EQ(of_row->row, row);
      const auto whole = parse_share(typed(wrong));
      ASSERT_TRUE(std::holds_alternative<ShareFault>(whole));
      const auto& fault = std::get<ShareFault>(whole);
      EXPECT_EQ(fault.row, c == ' ' || c == '-' ? 0 : row);
      EXPECT_EQ(fault.sentence().find(wrong.substr((row - 1) * 20, 4)), std::string::npos);
    }
  }
}

TEST_F(Shares, TwoNeighboursExchangedAreCaught) {
  for (int round = 0; round < 20; ++round) {
    const auto split = split_new_pin(kRoma, 2, 2);
    for (unsigned row = 1; row <= kShareRows; ++row) {
      std::string right;
      for (const char c : row_of(split->shares[0], row))
        if (c != ' ') right += c;
      // The last of a row is its check: exchanged with its neighbour, it is the whole's code that sees it
      // where the row's does not.
      for (std::size_t at = 0; at + 2 < right.size(); ++at) {
        std::string wrong = right;
        std::swap(wrong[at], wrong[at + 1]);
        EXPECT_EQ(check_share_row(row, typed(wrong)).has_value(), right != wrong);
      }
    }
  }
}

TEST_F(Shares, ARowInTheWrongPlaceAndRowsOfTwoPapersAreToldApart) {
  const auto split = split_new_pin(kRoma, 3, 5);
  const auto swapped = check_share_row(2, typed(row_of(split->shares[0], 3)));
  ASSERT_TRUE(swapped);
  EXPECT_EQ(swapped->what, What::another_row);
  const std::string mixed = row_of(split->shares[0], 1) + row_of(split->shares[0], 2) +
                            row_of(split->shares[1], 3) + row_of(split->shares[0], 4);
  const auto parsed = parse_share(typed(mixed));
  ASSERT_TRUE(std::holds_alternative<ShareFault>(parsed));
  EXPECT_EQ(std::get<ShareFault>(parsed).what, What::mixed);
}

TEST_F(Shares, TooShortTooLongAndNonsenseAreRefusedWithASentence) {
  const auto split = split_new_pin(kRoma, 2, 2);
  const std::string right = text_of(split->shares[0]);
  for (const std::string& text : {std::string(), right.substr(0, 50), right + "A", std::string(5000, 'A'),
                                  std::string("\0\0\0", 3), std::string(64, '\xff'), std::string(64, 'O')}) {
    const auto parsed = parse_share(typed(text));
    ASSERT_TRUE(std::holds_alternative<ShareFault>(parsed));
    EXPECT_FALSE(std::get<ShareFault>(parsed).sentence().empty());
  }
  for (int round = 0; round < 2000; ++round) {
    std::string noise(roll(0, 70), ' ');
    for (auto& c : noise) c = kShareAlphabet[roll(0, 31)];
    EXPECT_TRUE(std::holds_alternative<ShareFault>(parse_share(typed(noise)))) << noise;
  }
}

TEST_F(Shares, EachWrongShareIsToldApartInWords) {
  const auto roma = split_new_pin(kRoma, 3, 5), again = split_new_pin(kRoma, 3, 5),
             milano = split_new_pin("sigillo-milano", 3, 5);
  ShareCollector collector(kRoma, roma->shares[0].of.set);
  EXPECT_EQ(collector.add(milano->shares[0].clone()), Verdict::other_appliance);
  EXPECT_EQ(collector.add(again->shares[0].clone()), Verdict::other_set);
  EXPECT_EQ(collector.add(roma->shares[4].clone()), Verdict::taken);
  EXPECT_EQ(collector.add(roma->shares[4].clone()), Verdict::same_again);
  EXPECT_EQ(collector.add(again->shares[0].clone()), Verdict::other_set);
  const auto backup = split_new_pin(kRoma, 3, 5, ShareKind::backup);
  EXPECT_EQ(collector.add(std::get<Share>(parse_share(backup->shares[0].text()))), Verdict::other_kind);
  auto contradicting = roma->shares[1].clone();
  contradicting.of.threshold = 2;
  EXPECT_EQ(collector.add(std::move(contradicting)), Verdict::contradicts);
  EXPECT_EQ(collector.have(), 1U);
  EXPECT_EQ(collector.needed(), 3U);
  std::vector<std::string> sentences;
  for (const auto verdict : {Verdict::taken, Verdict::enough, Verdict::same_again, Verdict::other_appliance,
                             Verdict::other_set, Verdict::other_kind, Verdict::contradicts})
    sentences.push_back(ShareCollector::sentence(verdict, roma->shares[4]));
  std::ranges::sort(sentences);
  EXPECT_EQ(std::ranges::adjacent_find(sentences), sentences.end());
  // Without knowing its appliance, the first share says which it is.
  ShareCollector open;
  EXPECT_EQ(open.add(milano->shares[0].clone()), Verdict::taken);
  EXPECT_EQ(open.add(roma->shares[1].clone()), Verdict::other_appliance);
}

TEST_F(Shares, PinsAreNeverTheSameTwiceAndSetsHardlyEver) {
  std::vector<std::string> pins, sets;
  for (int round = 0; round < 200; ++round) {
    const auto split = split_new_pin(kRoma, 2, 3);
    EXPECT_EQ(split->pin.size(), 32U);
    pins.emplace_back(split->pin.expose_text());
    sets.push_back(split->shares[0].of.set);
    EXPECT_EQ(split->shares[0].of.appliance, share_mark(kRoma));
    // No share holds a piece of the PIN as it is typed.
    for (const auto& share : split->shares) {
      std::string tight;
      for (const char c : text_of(share))
        if (c != ' ' && c != '\n') tight += c;
      EXPECT_EQ(tight.find(pins.back().substr(0, 8)), std::string::npos);
    }
  }
  std::ranges::sort(pins);
  EXPECT_EQ(std::ranges::adjacent_find(pins), pins.end());
  std::ranges::sort(sets);
  // 200 of 2^25: one of them is there twice once in 1,700 runs, and two of them once in five million.
  const auto twice = std::ranges::unique(sets);
  EXPECT_LE(twice.size(), 1U);
}

}  // namespace
}  // namespace sigillo::base
