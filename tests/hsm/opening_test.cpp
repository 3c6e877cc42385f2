// Which modules and tokens are opened at all.
#include "recovery.hpp"

namespace sigillo::hsm {
namespace {

TEST(Opening, WhatIsNotAModuleIsRefused) {
  TokenOptions wrong = options();
  wrong.module = "libsofthsm2.so";
  expect_errc(Pkcs11Token::open(wrong, testing::user_pin()), Errc::module_load);
  wrong.module = "/nonexistent.so";
  expect_errc(Pkcs11Token::open(wrong, testing::user_pin()), Errc::module_load);
  wrong.module = (testing::softhsm_directory() / "softhsm2.conf").string();
  expect_errc(Pkcs11Token::open(wrong, testing::user_pin()), Errc::module_load);
}

TEST(Opening, ASerialNumberAloneNamesATokenAndBesideALabelBothMustBeRight) {
  std::string serial;
  {
    const auto token = Pkcs11Token::open(options(), testing::user_pin());
    ASSERT_TRUE(token);
    serial = (*token)->identity()->serial;
  }
  const auto open = [](const std::string& label, const std::string& number) {
    auto with = options();
    with.token_label = label;
    with.token_serial = number;
    return Pkcs11Token::open(with, testing::user_pin());
  };
  EXPECT_TRUE(open("", serial));
  EXPECT_TRUE(open(testing::kTokenLabel, serial));
  expect_errc(open("another", serial), Errc::no_such_token);
  expect_errc(open("", "0000000000000000"), Errc::no_such_token);
  expect_errc(open("", ""), Errc::no_such_token);
}

TEST(Opening, ATokenThatIsNotThereOrDoubtfulIsRefused) {
  TokenOptions wrong = options();
  wrong.token_label = "another";
  expect_errc(Pkcs11Token::open(wrong, testing::user_pin()), Errc::no_such_token);
  wrong = options();
  wrong.token_serial = "0000000000000000";
  expect_errc(Pkcs11Token::open(wrong, testing::user_pin()), Errc::no_such_token);
  expect_errc(initialise_token(testing::softhsm_module(), testing::kTokenLabel, testing::so_pin(),
                               testing::user_pin()),
              Errc::already_exists);
}

}  // namespace
}  // namespace sigillo::hsm
