// What a ceremony sees of a module before anyone can log in, and does to a token as its security officer
// (CKU_SO): set the user's PIN anew while the token is still empty, and at last give the security officer a
// PIN that nobody has. Attack it stops: whoever keeps the SO PIN sets a user PIN of his own one night, and
// needs no custodian. Thread rule: one thread; each call loads the module and leaves it finalized, so none
// may run beside an open Pkcs11Token.
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

}  // namespace sigillo::hsm
