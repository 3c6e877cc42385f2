// What a ceremony sees of a module before anyone can log in, and does to a token as its security officer
// (CKU_SO): set the user's PIN anew while the token is still empty, and at last give the security officer a
// PIN that nobody has. Attack it stops: whoever keeps the SO PIN sets a user PIN of his own one night, and
// needs no custodian. Later the user's PIN is changed by whoever has it (CKU_USER). Thread rule: one thread;
// each call loads the module and leaves it finalized, so none may run beside an open Pkcs11Token.
#pragma once

#include <string>
#include <vector>

#include <base/secret.hpp>
#include <hsm/token.hpp>

namespace sigillo::hsm {

struct TokenFacts {
  std::string label, serial, manufacturer, model;
};
struct ModuleFacts {
  std::string manufacturer, library;  // as C_GetInfo has them
  std::vector<TokenFacts> tokens;     // those that are initialised
  std::size_t blank = 0;              // slots whose token is not
  const TokenFacts* find(const std::string& label) const;
  bool software() const;  // SoftHSM2: keys in files of the host, for tests only
};
base::Result<ModuleFacts> look_at_module(const std::string& module);

// C_InitPIN: the user's PIN, whatever it was. Errc::credential where the SO PIN is another.
base::Result<void> reset_user_pin(const std::string& module, const std::string& label,
                                  const base::Secret& so_pin, const base::Secret& user_pin);
// C_SetPIN as CKU_SO. Errc::credential where `from` is not the SO PIN.
base::Result<void> change_so_pin(const std::string& module, const std::string& label,
                                 const base::Secret& from, const base::Secret& to);

// Of label and serial number one may be empty, and any goes.
struct TokenPlace {
  std::string module, label, serial;
  std::string init_arguments;  // for C_Initialize, where the module wants some
};
// Whether a PIN of so many characters can be set by the user: it is not typed at a pad of the reader's own,
// not locked, and the module takes that length. The token's serial number. Errc::credential,
// Errc::caller_fault.
base::Result<std::string> check_pin_can_be_set(const TokenPlace& place, std::size_t length);
// C_Login as CKU_USER. False: the token says that the PIN is wrong, and has counted that. Errc::credential
// where it is locked, or would be by one more wrong PIN: none is tried then.
base::Result<bool> opens_with(const TokenPlace& place, const base::Secret& pin);
// given: the caller knows that `from` is the PIN, for of two that it may have the other was just refused, and
// a token that counted that as its last but one is lost where the right one is not tried.
enum class LastTry : std::uint8_t { kept, given };
// C_SetPIN as CKU_USER (PKCS#11 2.40, R/W user functions), and a login with the new one. Errc::credential
// where `from` is not the PIN, or the token refuses `to`. After any other error it has one of the two:
// opens_with() tells which.
base::Result<void> change_user_pin(const TokenPlace& place, const base::Secret& from, const base::Secret& to,
                                   LastTry last = LastTry::kept);

}  // namespace sigillo::hsm
