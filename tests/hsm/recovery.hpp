// The token of the recovery tests: SoftHSM2 behind the module that fails as it is told. Each test opens it
// anew; PIN lock-out is told by flags, for SoftHSM2 never locks.
#pragma once

#include <thread>

#include <fault/control.hpp>

#include "contract.hpp"

namespace sigillo::hsm {

using fault::Action;
using test::expect_errc;
using test::fresh_label;

inline fault::Control& control() {
  static const auto made = [] {
    auto control = std::make_unique<fault::Control>((testing::softhsm_directory() / "faults").string());
    ::setenv(fault::kControlVariable, control->path().c_str(), 1);
    return control;
  }();
  return *made;
}

inline TokenOptions options() {
  TokenOptions out = testing::softhsm_options();
  out.module = SIGILLO_FAULT_MODULE;
  out.session_wait = {300};
  return out;
}

class Recovery : public ::testing::Test {
 protected:
  void SetUp() override {
    control().clear();
    open();
  }
  void TearDown() override {
    control().clear();
    token_.reset();
  }
  void open(const TokenOptions& with = options()) {
    auto opened = Pkcs11Token::open(with, testing::user_pin());
    ASSERT_TRUE(opened) << opened.error().detail() << " raw " << opened.error().raw();
    token_ = std::move(*opened);
    key_id_ = KeyId{fresh_label() + "-" + std::to_string(::testing::UnitTest::GetInstance()->random_seed())};
    key_ = *token_->generate_key(key_id_, KeyType::hmac_sha256);
    answer_ = *token_->hmac(key_, base::view("x"));
  }
  // The event awaited is a call that succeeds; the watcher tries at least each 5 s.
  bool comes_back() {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < until) {
      const auto again = token_->hmac(key_, base::view("x"));
      if (again) return *again == answer_;
      std::this_thread::yield();
    }
    return false;
  }
  // As another user of the module would.
  static void close_all_sessions() {
    CK_FUNCTION_LIST* functions = nullptr;
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(
        ::dlsym(::dlopen(SIGILLO_FAULT_MODULE, RTLD_NOW | RTLD_LOCAL), "C_GetFunctionList"));
    ASSERT_EQ(get(&functions), CKR_OK);
    CK_SLOT_ID slots[16];
    CK_ULONG count = 16;
    ASSERT_EQ(functions->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
    for (CK_ULONG i = 0; i < count; ++i) ASSERT_EQ(functions->C_CloseAllSessions(slots[i]), CKR_OK);
  }

  std::unique_ptr<Pkcs11Token> token_;
  KeyId key_id_;
  KeyRef key_;
  base::Digest answer_{};
};

}  // namespace sigillo::hsm
