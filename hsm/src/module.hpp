// Module: a PKCS#11 library in this process, from C_Initialize to C_Finalize. It is loaded by absolute path
// and never unloaded: the destructors of SoftHSM2 and of the OpenSSL beneath it crash when their code goes
// before they run. Thread rule: initialize() and finalize() while nobody else is in the module; the rest from
// any thread.
#pragma once

#include <memory>
#include <string>

#include <hsm/pkcs11_token.hpp>

#include "rv.hpp"

namespace sigillo::hsm {

class Module {
 public:
  // dlopen + C_GetFunctionList. Errc::module_load.
  static base::Result<std::unique_ptr<Module>> load(const std::string& path);
  ~Module();  // C_Finalize, if C_Initialize was ours
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // C_Initialize with CKF_OS_LOCKING_OK, and the module's own arguments where it wants some.
  base::Result<void> initialize(const std::string& arguments = {});
  void finalize();  // C_Finalize; whether it did shows in the next initialize()
  // The last initialize() began it: it did not meet one that another has begun, or that did not end.
  bool begun_by_us() const { return ours_; }

  // The one slot whose token has this label and this serial number; of the two one may be empty, and any
  // goes. Never by slot number: an HA pair and SoftHSM2 renumber theirs. Errc::no_such_token where there is
  // none, or more than one.
  base::Result<CK_SLOT_ID> find_slot(const std::string& label, const std::string& serial);

  const CK_FUNCTION_LIST& operator*() const { return *functions_; }
  CK_FUNCTION_LIST* operator->() const { return functions_; }

 private:
  explicit Module(CK_FUNCTION_LIST* functions) : functions_(functions) {}
  CK_FUNCTION_LIST* functions_;
  bool ours_ = false;
};

// The slots that hold a token. Errc::unavailable and kin.
base::Result<std::vector<CK_SLOT_ID>> slots_with_token(const Module& module);
// A field of CK_TOKEN_INFO without its blanks.
template <std::size_t N>
std::string trimmed(const unsigned char (&field)[N]) {
  std::string text(reinterpret_cast<const char*>(field), N);
  text.resize(text.find_last_not_of(std::string_view(" \0", 2)) + 1);
  return text;
}

// CK_INFO and CK_TOKEN_INFO as texts.
base::Result<TokenIdentity> read_identity(const Module& module, CK_SLOT_ID slot);

}  // namespace sigillo::hsm
