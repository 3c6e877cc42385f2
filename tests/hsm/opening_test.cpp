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
