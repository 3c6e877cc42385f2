// What a CK_RV means for the connection: one table of (function, return value), and the one place where a
// CK_RV becomes an hsm::Errc. Classes differ by what must be done next, not by what the standard calls them
// (PKCS#11 2.40, 5.1). Thread rule: pure functions.
#pragma once

#include <source_location>

#include <p11-kit/pkcs11.h>

#include <hsm/token.hpp>

namespace sigillo::hsm {

enum class Function : std::uint8_t {
  initialize,
  slot_list,
  token_info,
  open_session,
  session_info,
  login,
  random,
  sign,
  find,
  get_attributes,
  set_attributes,
  create,
  copy,
  destroy,
  generate,
  wrap,
  unwrap,
  init_token,
  init_pin,
};

// The PIN itself was wrong, and not that it is locked or ran out.
inline bool is_wrong_pin(CK_RV rv) {
  return rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE;
}

enum class RvClass : std::uint8_t {
  ok,
  caller_fault,  // this call is wrong and stays wrong; the device is well
  busy,          // no room just now; nothing was done
  stale_handle,  // a key or object handle of an earlier session: look it up again
  session_lost,  // session or login gone: open and log in again
  suspect,       // could be this call, could be the device: ask a canary
  device_lost,   // device, token or module gone
  credential,    // a PIN was refused: no further attempt, ever
};

RvClass classify(Function function, CK_RV rv);

// True where the module says that the function did nothing at all, so that even one with an effect may be
// called again.
bool nothing_was_done(CK_RV rv);

base::Error to_error(Function function, CK_RV rv,
                     std::source_location where = std::source_location::current());

}  // namespace sigillo::hsm
