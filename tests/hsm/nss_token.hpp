// A fresh key database of NSS's soft token in a folder of its own, once per process, and its raw functions.
// Thread rule: the first call before other threads.
#pragma once

#include "contract.hpp"

namespace sigillo::hsm::test {

Pkcs11Token& nss_token();
RawModule& nss_raw();

}  // namespace sigillo::hsm::test
