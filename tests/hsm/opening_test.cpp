// Which modules and tokens are opened at all.
#include <sys/stat.h>
#include <unistd.h>

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

TEST(Opening, AModuleThatOthersThanItsOwnerCanWriteIsNotLoaded) {
  const auto folder = testing::softhsm_directory() / "module";
  const auto module = folder / "copy.so";
  std::filesystem::create_directory(folder);
  std::filesystem::copy_file(SIGILLO_FAULT_MODULE, module);
  auto with = options();
  with.module = module.string();
  const auto opens = [&](mode_t folders, mode_t files) {
    EXPECT_EQ(::chmod(folder.c_str(), folders), 0);
    EXPECT_EQ(::chmod(module.c_str(), files), 0);
    const auto opened = Pkcs11Token::open(with, testing::user_pin());
    return static_cast<bool>(opened);
  };
  EXPECT_TRUE(opens(0755, 0755));
  EXPECT_FALSE(opens(0755, 0775)) << "the group";
  EXPECT_FALSE(opens(0775, 0755)) << "the group, by another file in its place";
  EXPECT_FALSE(opens(0755, 0757)) << "everyone";
  EXPECT_TRUE(opens(0700, 0500));
  EXPECT_EQ(*only_root_writes(with.module), ::geteuid() == 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(folder.c_str(), 65534, 65534), 0);
    EXPECT_FALSE(*only_root_writes(with.module));
  }
  EXPECT_TRUE(*only_root_writes(testing::softhsm_module()));
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
