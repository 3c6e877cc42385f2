// The control of the fault module: a PKCS#11 module in front of SoftHSM2 that fails as it is told. A test
// loads the same library by dlopen and asks for this table by dlsym("sigillo_fault_control"). Thread rule:
// any thread.
#pragma once

#include <p11-kit/pkcs11.h>

namespace sigillo::hsm::test {

enum class Fn : int {
  initialize,
  finalize,
  slot_list,
  token_info,
  open_session,
  session_info,
  login,
  random,
  sign_init,
  sign,
  find_init,
  create,
  copy,
  all  // all: every one but initialize and finalize
};

enum class When : int {
  before,            // instead of the call
  after,             // the call is made, its answer is replaced
  until_initialize,  // as before, until C_Initialize is called: a module that only a reload brings back
};

struct FaultControl {
  void (*fail)(Fn function, CK_RV rv, long times, When when);  // times < 0: until heal()
  void (*token_flags)(CK_FLAGS flags);                         // added to CK_TOKEN_INFO.flags
  void (*sessions_max)(unsigned long count);  // C_OpenSession: CKR_SESSION_COUNT above; 0: no limit
  void (*hang)(Fn function);                  // until release() or heal()
  void (*await_hanging)();
  void (*release)();  // those who hang, and nothing else
  void (*heal)();
  unsigned long (*calls)(Fn function);
  void (*await_calls)(Fn function, unsigned long count);
};

}  // namespace sigillo::hsm::test
