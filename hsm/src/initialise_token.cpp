#include <algorithm>
#include <array>

#include <hsm/pkcs11_token.hpp>

#include "so_call.hpp"

namespace sigillo::hsm {
namespace {

// The user's PIN is set by the security officer, in a session that ends with this function.
base::Result<void> set_user_pin(const Module& module, CK_SLOT_ID slot, const base::Secret& so_pin,
                                const base::Secret& user_pin) {
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  SIGILLO_CHECK(
      checked(Function::open_session,
              module->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session)));
  auto done = checked(Function::login, module->C_Login(session, CKU_SO, chars(so_pin), length(so_pin)));
  if (done) done = checked(Function::init_pin, module->C_InitPIN(session, chars(user_pin), length(user_pin)));
  module->C_CloseSession(session);
  return done;
}

}  // namespace

base::Result<void> initialise_token(const std::string& path, const std::string& label,
                                    const base::Secret& so_pin, const base::Secret& user_pin) {
  std::array<unsigned char, 32> padded;  // CK_TOKEN_INFO.label: 32 bytes, filled with blanks
  if (label.empty() || label.size() > padded.size()) {
    return base::Error(Errc::caller_fault, "a token's label has 1 to 32 bytes");
  }
  padded.fill(' ');
  std::ranges::copy(label, padded.begin());
  SIGILLO_TRY(const auto module, Module::load(path));
  SIGILLO_CHECK(module->initialize());
  SIGILLO_TRY(const auto slots, slots_with_token(*module));
  std::optional<CK_SLOT_ID> blank;
  for (const auto slot : slots) {
    CK_TOKEN_INFO info{};
    if ((**module).C_GetTokenInfo(slot, &info) != CKR_OK) continue;
    if ((info.flags & CKF_TOKEN_INITIALIZED) == 0) {
      if (!blank) blank = slot;
    } else if (trimmed(info.label) == label) {
      return base::Error(Errc::already_exists, "a token of this label is there");
    }
  }
  if (!blank) return base::Error(Errc::no_such_token, "no slot holds an uninitialised token");
  SIGILLO_CHECK(checked(Function::init_token,
                        (*module)->C_InitToken(*blank, chars(so_pin), length(so_pin), padded.data())));
  // SoftHSM2 gives the new token another slot number only at the next C_Initialize; others do so at once.
  auto slot = module->find_slot(label, "");
  return set_user_pin(*module, slot ? *slot : *blank, so_pin, user_pin);
}

}  // namespace sigillo::hsm
