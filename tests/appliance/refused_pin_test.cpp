// The mark of a token PIN that was refused.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "token_opening.hpp"

namespace sigillo::appliance {
namespace {

namespace fs = std::filesystem;

base::Secret pin(const std::string& text) {
  return base::Secret(base::view(text));
}

class RefusedPinTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string made = (fs::temp_directory_path() / "sigillo-refused-XXXXXX").string();
    ASSERT_NE(::mkdtemp(made.data()), nullptr);
    folder_ = made;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string file() const { return (folder_ / "token-pin-refused").string(); }
  std::string content() const {
    std::ifstream in(file());
    return {std::istreambuf_iterator<char>(in), {}};
  }
  fs::path folder_;
};

TEST_F(RefusedPinTest, IsKnownAgainAndAnotherIsNot) {
  const RefusedPin refused(file(), "module\nlabel\n");
  EXPECT_FALSE(refused.is(pin("1234")));
  refused.remember(pin("1234"));
  EXPECT_TRUE(refused.is(pin("1234")));
  EXPECT_TRUE(RefusedPin(file(), "module\nlabel\n").is(pin("1234")));
  // One in 4,096 is taken for it by design: of three others hardly all.
  EXPECT_FALSE(refused.is(pin("1235")) && refused.is(pin("12345")) && refused.is(pin("4321")));
  refused.remember(pin("another"));
  EXPECT_TRUE(refused.is(pin("another")));
  refused.forget();
  EXPECT_FALSE(refused.is(pin("another")));
  EXPECT_FALSE(fs::exists(file()));
}

TEST_F(RefusedPinTest, IsOfOneTokenAlone) {
  RefusedPin(file(), "module\nlabel\n").remember(pin("1234"));
  int taken = 0;
  for (const char* other : {"module\nother\n", "other\nlabel\n", "module\nlabel\nserial"})
    taken += RefusedPin(file(), other).is(pin("1234")) ? 1 : 0;
  EXPECT_LT(taken, 3);
}

TEST_F(RefusedPinTest, TellsTwelveBitsToItsOwnerAlone) {
  ::umask(0);
  RefusedPin(file(), "token").remember(pin("1234"));
  struct stat info {};
  ASSERT_EQ(::stat(file().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  // Salt, and a number below 4,096: 32 + 1 + at most 4 + 1 characters.
  EXPECT_LE(content().size(), 38U);
  EXPECT_LT(std::stoul(content().substr(33)), 4096U);
  EXPECT_EQ(content().find("1234", 32), std::string::npos);
  const auto before = content();
  RefusedPin(file(), "token").remember(pin("1234"));
  EXPECT_NE(content().substr(0, 32), before.substr(0, 32));
  // Nothing of how it was written is left beside it.
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(RefusedPinTest, WhatIsNoMarkIsNone) {
  const RefusedPin refused(file(), "token");
  for (const char* text :
       {"", "x", "00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff 4096",
        "00112233445566778899aabbccddeeff -1", "zz 7", "0011 7"}) {
    std::ofstream(file(), std::ios::trunc) << text;
    EXPECT_FALSE(refused.is(pin("1234"))) << text;
  }
}

}  // namespace
}  // namespace sigillo::appliance
