#include <base/bytes.hpp>

#include <gtest/gtest.h>

#include <random>

namespace sigillo::base {
namespace {

TEST(Bytes, Base64IsThatOfRfc4648Section10) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    EXPECT_EQ(to_base64(view(plain)), coded);
    std::string unpadded(coded);
    unpadded.erase(std::min(unpadded.find('='), unpadded.size()));
    EXPECT_EQ(to_base64url(view(plain)), unpadded);
    ASSERT_TRUE(from_base64url(unpadded));
    EXPECT_EQ(text(*from_base64url(unpadded)), plain);
  }
}

TEST(Bytes, Base64urlUsesItsOwnTwoCharacters) {
  const Bytes bytes{0xfb, 0xff, 0xfe};
  EXPECT_EQ(to_base64url(bytes), "-__-");
  EXPECT_EQ(to_base64(bytes), "+//+");
}

TEST(Bytes, Base64urlThatIsNotCanonicalIsRefused) {
  for (const char* bad : {"Zg==", "Zh", "Zm9=", "Z", "Zm9vY", "Zm 9", "Zm+v", "Zm/v", "Zm9v\n", "Zm9x_x?"}) {
    EXPECT_FALSE(from_base64url(bad)) << bad;
  }
  EXPECT_FALSE(from_base64url(std::string_view("Zm\0v", 4)));
}

TEST(Bytes, HexTakesEitherCaseAndNothingElse) {
  EXPECT_EQ(to_hex(Bytes{0x00, 0x9a, 0xff}), "009aff");
  EXPECT_EQ(from_hex("009aFF"), (Bytes{0x00, 0x9a, 0xff}));
  for (const char* bad : {"0", "0g", "0x", " 00", "00 "}) EXPECT_FALSE(from_hex(bad)) << bad;
}

TEST(Bytes, WhatIsWrittenIsRead) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 500; ++round) {
    Bytes bytes(random() % 70);
    for (Byte& byte : bytes) byte = static_cast<Byte>(random());
    EXPECT_EQ(from_base64url(to_base64url(bytes)), bytes);
    EXPECT_EQ(from_hex(to_hex(bytes)), bytes);
  }
}

TEST(Bytes, IntegersAreBigEndianAndOfFixedWidth) {
  Bytes out;
  append_be<std::uint16_t>(out, 0x0102);
  append_be<std::uint64_t>(out, 0x030405060708090aULL);
  EXPECT_EQ(to_hex(out), "0102030405060708090a");
  EXPECT_EQ(read_be<std::uint16_t>(out), 0x0102);
  EXPECT_EQ(read_be<std::uint64_t>(ByteView(out).subspan(2)), 0x030405060708090aULL);
  Bytes negative;
  append_be<std::int64_t>(negative, -2);
  EXPECT_EQ(read_be<std::int64_t>(negative), -2);
}

}  // namespace
}  // namespace sigillo::base
