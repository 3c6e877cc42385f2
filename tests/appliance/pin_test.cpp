#include <appliance/pin.hpp>

#include <gtest/gtest.h>

#include <array>
#include <base/crypto.hpp>
#include <map>
#include <type_traits>

namespace sigillo::appliance {
namespace {

static_assert(!std::is_copy_constructible_v<Pin> && !std::is_copy_constructible_v<LinkToken>);

std::optional<std::string> parsed(std::string_view text) {
  const auto pin = Pin::parse(base::view(text));
  return pin ? std::optional(std::string(base::text(pin->characters()))) : std::nullopt;
}

TEST(Pin, CaseSpacesAndHyphensDoNotCount) {
  for (const char* text : {"K7QF2M9X", "k7qf2m9x", "K7QF-2M9X", " K7 QF 2M 9X ", "--k-7-q-f-2-m-9-x--"})
    EXPECT_EQ(parsed(text), "K7QF2M9X") << text;
  EXPECT_EQ(parsed("k7qf-2m9x abcd-efgh"), "K7QF2M9XABCDEFGH");
}

TEST(Pin, OnlyEightOrSixteenOfTheAlphabetAreAPin) {
  for (const char* text :
       {"", "-", "K7QF2M9", "K7QF2M9XA", "K7QF2M9XABCDEFG", "K7QF2M9XABCDEFGHJ", "K7QF2M9I", "K7QF2M9O",
        "K7QF2M90", "K7QF2M91", "K7QF2M9i", "K7QF2M9o", "K7QF2M9_", "K7QF\t2M9X", "K7QF2M9X\n",
        "K7QF2M9\xc3\x84", "[7QF2M9X", "@7QF2M9X", ":7QF2M9X"}) {
    EXPECT_FALSE(parsed(text)) << text;
  }
  for (int c = 0; c < 256; ++c) {
    std::string text = "AAAAAAA";
    text.push_back(static_cast<char>(c));
    const char upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : static_cast<char>(c);
    EXPECT_EQ(parsed(text).has_value(), kPinAlphabet.find(upper) != std::string_view::npos) << c;
  }
}

TEST(Pin, HalvesOfAWholeAreItsFirstAndLastEight) {
  const auto whole = Pin::parse(base::view("K7QF2M9XABCDEFGH"));
  EXPECT_TRUE(whole->is_whole());
  EXPECT_EQ(base::text(whole->first_half()), "K7QF2M9X");
  EXPECT_EQ(base::text(whole->second_half()), "ABCDEFGH");
  EXPECT_EQ(whole->shown().expose_text(), "K7QF-2M9X-ABCD-EFGH");
  const auto half = Pin::parse(base::view("K7QF2M9X"));
  EXPECT_FALSE(half->is_whole());
  EXPECT_EQ(half->shown().expose_text(), "K7QF-2M9X");
  EXPECT_EQ(base::text(half->second_half()), base::text(half->first_half()));
}

TEST(Pin, ARandomOneTakesFiveBitsACharacterFromTheTop) {
  EXPECT_EQ(base::text(Pin::from_random(base::Secret(5)).characters()), "AAAAAAAA");
  EXPECT_EQ(base::text(Pin::from_random(base::Secret(base::Bytes(5, 0xff))).characters()), "99999999");
  // 00000 00001 00010 ... 00111
  EXPECT_EQ(base::text(Pin::from_random(base::Secret(*base::from_hex("00443214c7"))).characters()),
            "ABCDEFGH");
  EXPECT_EQ(base::text(Pin::from_random(base::Secret(*base::from_hex("f800000000"))).characters()),
            "9AAAAAAA");
}

TEST(Pin, EveryCharacterIsAsLikelyAtEveryPlace) {
  constexpr int kPins = 32'000;
  std::array<std::map<char, int>, kHalfLength> counts;
  for (int i = 0; i < kPins; ++i) {
    base::Secret random(kRandomPerHalf);
    base::random_bytes(random.writable());
    const Pin pin = Pin::from_random(random);
    for (std::size_t at = 0; at < kHalfLength; ++at) ++counts[at][static_cast<char>(pin.characters()[at])];
  }
  for (const auto& count : counts) {
    ASSERT_EQ(count.size(), kPinAlphabet.size());
    double chi = 0;
    for (const auto& [c, n] : count) chi += (n - 1000.0) * (n - 1000.0) / 1000.0;
    EXPECT_LT(chi, 95.0);  // 31 degrees of freedom: once in 10^7 runs
  }
}

TEST(PinDeath, TooLittleRandomnessEndsTheProcess) {
  EXPECT_DEATH(static_cast<void>(Pin::from_random(base::Secret(4))), "40 random bits");
  EXPECT_DEATH(static_cast<void>(LinkToken::from_random(base::Secret(31))), "256 random bits");
}

TEST(LinkToken, IsTheBase64urlOf32Bytes) {
  base::Secret random(32);
  for (int round = 0; round < 100; ++round) {
    base::random_bytes(random.writable());
    const auto token = LinkToken::from_random(random);
    EXPECT_EQ(base::text(token.characters()), base::to_base64url(random.expose()));
    EXPECT_TRUE(LinkToken::parse(token.characters()));
  }
}

TEST(LinkToken, AnyOtherStringIsNone) {
  const std::string good(43, 'a');
  EXPECT_TRUE(LinkToken::parse(base::view(good)));
  EXPECT_TRUE(LinkToken::parse(base::view("-_" + good.substr(2))));
  for (const std::string& bad :
       {std::string(), good.substr(1), good + "a", good.substr(1) + "=", good.substr(1) + "+",
        good.substr(1) + " ", good.substr(1) + std::string(1, '\0')}) {
    EXPECT_FALSE(LinkToken::parse(base::view(bad))) << bad;
  }
}

}  // namespace
}  // namespace sigillo::appliance
