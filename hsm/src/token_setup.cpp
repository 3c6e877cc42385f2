#include <hsm/token_setup.hpp>

#include <algorithm>

#include "so_call.hpp"

namespace sigillo::hsm {
namespace {

// One call in a session of the security officer, which ends with it.
template <class Call>
base::Result<void> as_security_officer(const std::string& path, const std::string& label,
                                       const base::Secret& so_pin, Call call) {
  SIGILLO_TRY(const auto module, Module::load(path));
  SIGILLO_CHECK(module->initialize());
  SIGILLO_TRY(const auto slot, module->find_slot(label, ""));
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  SIGILLO_CHECK(checked(
      Function::open_session,
      (*module)->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session)));
  auto done = checked(Function::login, (*module)->C_Login(session, CKU_SO, chars(so_pin), length(so_pin)));
  if (done) done = checked(Function::init_pin, call(*module, session));
  (*module)->C_CloseSession(session);
  return done;
}

}  // namespace

const TokenFacts* ModuleFacts::find(const std::string& label) const {
  const auto found = std::ranges::find(tokens, label, &TokenFacts::label);
  return found == tokens.end() ? nullptr : &*found;
}

bool ModuleFacts::software() const {
  return manufacturer.find("SoftHSM") != std::string::npos || library.find("SoftHSM") != std::string::npos;
}

base::Result<ModuleFacts> look_at_module(const std::string& path) {
  SIGILLO_TRY(const auto module, Module::load(path));
  SIGILLO_CHECK(module->initialize());
  CK_INFO info{};
  if (const CK_RV rv = (*module)->C_GetInfo(&info); rv != CKR_OK) return to_error(Function::token_info, rv);
  ModuleFacts facts;
  facts.manufacturer = trimmed(info.manufacturerID);
  facts.library = trimmed(info.libraryDescription);
  SIGILLO_TRY(const auto slots, slots_with_token(*module));
  for (const auto slot : slots) {
    CK_TOKEN_INFO token{};
    if ((*module)->C_GetTokenInfo(slot, &token) != CKR_OK) continue;
    if ((token.flags & CKF_TOKEN_INITIALIZED) == 0) {
      ++facts.blank;
      continue;
    }
    facts.tokens.push_back({trimmed(token.label), trimmed(token.serialNumber), trimmed(token.manufacturerID),
                            trimmed(token.model)});
  }
  return facts;
}

base::Result<void> reset_user_pin(const std::string& path, const std::string& label,
                                  const base::Secret& so_pin, const base::Secret& user_pin) {
  return as_security_officer(path, label, so_pin, [&](const Module& module, CK_SESSION_HANDLE session) {
    return module->C_InitPIN(session, chars(user_pin), length(user_pin));
  });
}

base::Result<void> change_so_pin(const std::string& path, const std::string& label, const base::Secret& from,
                                 const base::Secret& to) {
  return as_security_officer(path, label, from, [&](const Module& module, CK_SESSION_HANDLE session) {
    return module->C_SetPIN(session, chars(from), length(from), chars(to), length(to));
  });
}

}  // namespace sigillo::hsm
