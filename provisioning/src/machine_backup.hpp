// The ceremony's keys and their backup on two tokens of one module: each open while the other is not. Thread
// rule: one thread. Never: keeps a wrapping key.
#pragma once

#include <filesystem>
#include <memory>

#include <hsm/pkcs11_token.hpp>

#include "ceremony_machine.hpp"

namespace sigillo::provisioning {

struct BackupFiles {
  std::filesystem::path keys, proof;
};

base::Result<std::vector<KeyLine>> make_open_keys(hsm::Pkcs11Token& token, base::Instant now);
// The file's SHA-256. A file that is there, and holds under this key, is left: a commit may have begun with
// it.
base::Result<std::string> wrap_keys(hsm::Pkcs11Token& token, const BackupFiles& files,
                                    const base::Secret& wrapping, const std::string& label,
                                    base::Instant now);
base::Result<std::vector<KeyLine>> prove_keys(hsm::Pkcs11Token& spare, const BackupFiles& files,
                                              const base::Secret& wrapping, base::Instant now);
base::Result<std::vector<KeyLine>> close_keys(hsm::Pkcs11Token& token, const BackupFiles& files,
                                              const base::Secret& wrapping, base::Instant now);

}  // namespace sigillo::provisioning
