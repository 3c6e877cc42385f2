// The user's PIN, changed by whoever has it: no security officer is needed for that.
#include <hsm/token_setup.hpp>

#include "so_call.hpp"

namespace sigillo::hsm {
namespace {

constexpr CK_FLAGS kNextLocks = CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;

// The module of one call, and a session that is open as long.
class PublicSession {
 public:
  static base::Result<std::unique_ptr<PublicSession>> open(const TokenPlace& place) {
    SIGILLO_TRY(auto module, Module::load(place.module));
    SIGILLO_CHECK(module->initialize(place.init_arguments));
    SIGILLO_TRY(const auto slot, module->find_slot(place.label, place.serial));
    CK_TOKEN_INFO info{};
    SIGILLO_CHECK(checked(Function::token_info, (*module)->C_GetTokenInfo(slot, &info)));
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    SIGILLO_CHECK(checked(
        Function::open_session,
        (*module)->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session)));
    return std::unique_ptr<PublicSession>(new PublicSession(std::move(module), session, info));
  }
  ~PublicSession() { (*module_)->C_CloseSession(session_); }
  PublicSession(const PublicSession&) = delete;
  PublicSession& operator=(const PublicSession&) = delete;

  const CK_TOKEN_INFO& info() const { return info_; }
  CK_RV log_in(const base::Secret& pin) const {
    return (*module_)->C_Login(session_, CKU_USER, chars(pin), length(pin));
  }
  CK_RV log_out() const { return (*module_)->C_Logout(session_); }
  CK_RV set_pin(const base::Secret& from, const base::Secret& to) const {
    return (*module_)->C_SetPIN(session_, chars(from), length(from), chars(to), length(to));
  }

 private:
  PublicSession(std::unique_ptr<Module> module, CK_SESSION_HANDLE session, const CK_TOKEN_INFO& info)
      : module_(std::move(module)), session_(session), info_(info) {}
  std::unique_ptr<Module> module_;
  CK_SESSION_HANDLE session_;
  CK_TOKEN_INFO info_;
};

base::Result<void> refuse_last_try(const CK_TOKEN_INFO& info) {
  if ((info.flags & kNextLocks) == 0) return base::ok();
  return base::Error(Errc::credential, "the token's PIN is locked, or would be by one more wrong try",
                     info.flags);
}

}  // namespace

base::Result<std::string> check_pin_can_be_set(const TokenPlace& place, std::size_t length) {
  SIGILLO_TRY(const auto session, PublicSession::open(place));
  const auto& info = session->info();
  SIGILLO_CHECK(refuse_last_try(info));
  if ((info.flags & CKF_WRITE_PROTECTED) != 0)
    return base::Error(Errc::caller_fault, "the token is write-protected", info.flags);
  if ((info.flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0)
    return base::Error(Errc::caller_fault, "the token takes its PIN from a pad alone", info.flags);
  if (length < info.ulMinPinLen || (info.ulMaxPinLen != 0 && length > info.ulMaxPinLen))
    return base::Error(Errc::caller_fault, "the token takes no PIN of that length", info.ulMaxPinLen);
  return std::string(trimmed(info.serialNumber));
}

base::Result<bool> opens_with(const TokenPlace& place, const base::Secret& pin) {
  SIGILLO_TRY(const auto session, PublicSession::open(place));
  SIGILLO_CHECK(refuse_last_try(session->info()));
  const CK_RV rv = session->log_in(pin);
  if (is_wrong_pin(rv)) return false;
  SIGILLO_CHECK(checked(Function::login, rv));
  session->log_out();
  return true;
}

base::Result<void> change_user_pin(const TokenPlace& place, const base::Secret& from, const base::Secret& to,
                                   LastTry last) {
  {
    SIGILLO_TRY(const auto session, PublicSession::open(place));
    if (last == LastTry::kept) SIGILLO_CHECK(refuse_last_try(session->info()));
    SIGILLO_CHECK(checked(Function::login, session->log_in(from)));
    auto done = checked(Function::init_pin, session->set_pin(from, to));
    session->log_out();
    if (!done) return done;
  }
  SIGILLO_TRY(const bool opens, opens_with(place, to));
  if (opens) return base::ok();
  return base::Error(Errc::unavailable, "the token said that its PIN was changed, and refuses the new one");
}

}  // namespace sigillo::hsm
