#include <appliance/subject.hpp>

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <set>

namespace sigillo::appliance {
namespace {

// The public algorithm's tables, written out a second time and in another form, so that one slip is not in
// both.
char check_of(std::string_view first15) {
  static constexpr std::string_view kOddOrder =
      "BAKPLCQDREVOSFTGUHMINJWZYX";  // the letter whose odd value is 0, 1, 2, ...
  int sum = 0;
  for (std::size_t i = 0; i < 15; ++i) {
    const bool is_digit = first15[i] >= '0' && first15[i] <= '9';
    const char letter = is_digit ? static_cast<char>(first15[i] - '0' + 'A') : first15[i];
    sum += (i + 1) % 2 == 1 ? static_cast<int>(kOddOrder.find(letter)) : letter - 'A';
  }
  return static_cast<char>('A' + sum % 26);
}
std::string closed(std::string first15) {
  return first15 + check_of(first15);
}
bool valid(const std::string& text) {
  return Subject::parse(text).has_value();
}

TEST(Subject, KnownCodesAreTaken) {
  for (const char* code : {"RSSMRA85T10A562S", "MRTMTT91D08F205J"}) {
    const auto subject = Subject::parse(code);
    ASSERT_TRUE(subject) << code;
    EXPECT_EQ(subject->text(), code);
    EXPECT_EQ(subject->kind(), Subject::Kind::natural_person);
    EXPECT_EQ(closed(std::string(code).substr(0, 15)), code);
  }
  EXPECT_EQ(Subject::parse("RSSMRA85T10A562S")->hint(), "*************62S");
}

TEST(Subject, LowerCaseIsTheSameSubject) {
  EXPECT_EQ(Subject::parse("rssmra85t10a562s"), Subject::parse("RSSMRA85T10A562S"));
  EXPECT_EQ(Subject::parse("RssMra85t10A562s")->text(), "RSSMRA85T10A562S");
}

TEST(Subject, AnyOtherCheckCharacterIsRefused) {
  for (char c = 'A'; c <= 'Z'; ++c) EXPECT_EQ(valid(std::string("RSSMRA85T10A562") + c), c == 'S') << c;
  for (char c = '0'; c <= '9'; ++c) EXPECT_FALSE(valid(std::string("RSSMRA85T10A562") + c)) << c;
}

TEST(Subject, OneWrongCharacterIsFoundWhereverItIs) {
  const std::string good = "RSSMRA85T10A562S";
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")) {
      std::string bad = good;
      bad[i] = c;
      EXPECT_EQ(valid(bad), bad == good) << bad;
    }
  }
}

TEST(Subject, EverySubsetOfTheSevenDigitsMayBeOmocodic) {
  constexpr std::array<std::size_t, 7> kDigits = {6, 7, 9, 10, 12, 13, 14};
  constexpr std::string_view kLetters = "LMNPQRSTUV";
  std::set<std::string> codes;
  for (unsigned subset = 0; subset < 128; ++subset) {
    std::string code = "RSSMRA85T10A562";
    for (std::size_t i = 0; i < kDigits.size(); ++i) {
      char& c = code[kDigits[i]];
      if ((subset >> i & 1U) != 0) c = kLetters[static_cast<std::size_t>(c - '0')];
    }
    codes.insert(closed(code));
    EXPECT_TRUE(valid(closed(code))) << closed(code);
    EXPECT_EQ(Subject::parse(closed(code))->text(), closed(code)) << "each is a code of its own";
  }
  EXPECT_EQ(codes.size(), 128U);
}

TEST(Subject, OnlyTheLettersOfOmocodiaStandForDigits) {
  for (const std::size_t at : {6U, 7U, 9U, 10U, 12U, 13U, 14U}) {
    for (char c = 'A'; c <= 'Z'; ++c) {
      std::string code = "RSSMRA85T11A562";
      code[at] = c;
      const bool stands = std::string_view("LMNPQRSTUV").find(c) != std::string_view::npos;
      // In the tens of the day only 0 to 3 and 4 to 7 can be: U and V are 8 and 9.
      const bool day_exists = at != 9 || c < 'U';
      EXPECT_EQ(valid(closed(code)), stands && day_exists) << code;
    }
  }
}

TEST(Subject, OnlyDatesThatExistAreTaken) {
  const std::pair<const char*, bool> dates[] = {
      {"85T01", true},  {"85T31", true},  {"85T00", false}, {"85T32", false}, {"85T40", false},
      {"85T41", true},  {"85T71", true},  {"85T72", false}, {"85T99", false}, {"85B28", true},
      {"85B29", false}, {"84B29", true},  {"84B69", true},  {"85B69", false}, {"84B30", false},
      {"84B70", false}, {"00B29", true},  {"85D30", true},  {"85D31", false}, {"85D71", false},
      {"85H31", false}, {"85P31", false}, {"85S31", false}, {"85A31", true},  {"85C31", true},
      {"85E31", true},  {"85L31", true},  {"85M31", true},  {"85R31", true}};
  for (const auto& [date, exists] : dates) {
    EXPECT_EQ(valid(closed("RSSMRA" + std::string(date) + "A562")), exists) << date;
  }
  EXPECT_TRUE(valid(closed("RSSMRA85BNUA562"))) << "28 February: U is 8";
  EXPECT_FALSE(valid(closed("RSSMRA85BNVA562"))) << "29 February 1985: V is 9";
  EXPECT_FALSE(valid(closed("RSSMRA85BPLA562"))) << "30 February, written in omocodia";
  EXPECT_TRUE(valid(closed("RSSMRAUQBNVA562"))) << "29 February 1984 or 2084, written in omocodia";
}

TEST(Subject, OnlyTheTwelveLettersNameAMonth) {
  for (char c = 'A'; c <= 'Z'; ++c) {
    const std::string code = closed(std::string("RSSMRA85") + c + "10A562");
    EXPECT_EQ(valid(code), std::string_view("ABCDEHLMPRST").find(c) != std::string_view::npos) << c;
  }
}

TEST(Subject, NameAndPlaceAreTakenByTheirShape) {
  EXPECT_TRUE(
      valid(closed("AAAEEE85T10A562")));  // names of vowels alone, and of X where there are too few letters
  EXPECT_TRUE(valid(closed("FOXDXX85T10Z404")));  // born abroad
  EXPECT_FALSE(valid(closed("RSSMR185T10A562")));
  EXPECT_FALSE(valid(closed("RSSMRA85T101562")));
}

TEST(Subject, WhatIsNoCodeIsRefused) {
  for (const char* bad :
       {"", "RSSMRA85T10A562", "RSSMRA85T10A562SS", " RSSMRA85T10A562S", "RSSMRA85T10A562S ",
        "RSS MRA85T10A562", "RSSMRA85T10A56-S", "RSSMRÀ85T10A562", "RSSMRA85T10A56\nS"}) {
    EXPECT_FALSE(valid(bad)) << bad;
  }
  EXPECT_FALSE(valid(std::string(16, '\0')));
  EXPECT_FALSE(valid(std::string(11, '\0')));
  EXPECT_FALSE(valid(std::string("RSSMRA85T1") + '\0' + "A562S"));
  EXPECT_FALSE(valid(std::string(16, '\xff')));
}

TEST(Subject, ALegalPersonHasElevenDigitsAndTheirCheckDigit) {
  const auto subject = Subject::parse("00743110157");
  ASSERT_TRUE(subject);
  EXPECT_EQ(subject->kind(), Subject::Kind::legal_person);
  EXPECT_EQ(subject->hint(), "********157");
  for (char c = '0'; c <= '9'; ++c) EXPECT_EQ(valid(std::string("0074311015") + c), c == '7') << c;
  EXPECT_TRUE(valid("80078750587"));  // INPS itself
  EXPECT_FALSE(valid("0074311015L"));
  EXPECT_FALSE(valid("007431101579"));
}

TEST(Subject, NoTextMakesItFail) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 20'000; ++round) {
    std::string text(random() % 2 == 0 ? 16 : 11, '\0');
    for (char& c : text) c = static_cast<char>(random());
    EXPECT_FALSE(valid(text));  // one in 10^12 would be a code
  }
}

}  // namespace
}  // namespace sigillo::appliance
