// What a call on a token in the making needs: a PIN as the module takes it, and its answer as an error of
// ours. For the files that set tokens up; a token that serves has its connection for that. Thread rule:
// pure functions. Never: copies a PIN.
#pragma once

#include <base/secret.hpp>

#include "module.hpp"

namespace sigillo::hsm {

inline unsigned char* chars(const base::Secret& pin) {
  return const_cast<unsigned char*>(pin.expose().data());
}
inline CK_ULONG length(const base::Secret& pin) {
  return static_cast<CK_ULONG>(pin.size());
}
inline base::Result<void> checked(Function function, CK_RV rv) {
  if (classify(function, rv) == RvClass::ok) return base::ok();
  return to_error(function, rv);
}

}  // namespace sigillo::hsm
