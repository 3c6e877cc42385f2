// A fresh SoftHSM2 token in a directory of its own, once per process: #include <support/softhsm_fixture.hpp>,
// link sigillo_test_support. The directory goes when the process ends. Thread rule: the first call before
// other threads.
#pragma once

#include <filesystem>
#include <string>

#include <base/secret.hpp>
#include <hsm/pkcs11_token.hpp>

namespace sigillo::testing {

// Where SoftHSM2 is, as CMake found it (SIGILLO_SOFTHSM2_MODULE).
std::string softhsm_module();

// Writes softhsm2.conf and sets SOFTHSM2_CONF, for a token store in a new directory; once per process. Gives
// the directory.
const std::filesystem::path& softhsm_directory();

inline constexpr const char* kTokenLabel = "sigillo-test";
base::Secret user_pin();  // of the token below
base::Secret so_pin();

// Initialises the token "sigillo-test", once per process, and says how to open it.
const hsm::TokenOptions& softhsm_options();

// The token, opened: one per process, closed before SoftHSM2's own destructors run. Ends the test program if
// it cannot.
hsm::Pkcs11Token& softhsm_token();

}  // namespace sigillo::testing
