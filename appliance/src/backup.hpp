// A backup of the store, made beside whatever the appliance does: a copy of one moment, checked whole before
// it counts, with the keys' states, the configuration and the certificates that a restore wants, under a
// manifest that the ledger's key signs. No secret is in it that is not sealed: the store is as unreadable
// without the HSM as it always is. Thread rule: a thread of the officers' side, which it blocks.
#pragma once

#include <filesystem>

#include <appliance/backup_check.hpp>

#include "parts.hpp"

namespace sigillo::appliance {

struct MadeBackup {
  BackupManifest manifest;
  std::string text;  // the manifest's
  sealed_store::StoreContents contents;
};
// `folder` is made, whole, or is not there.
base::Result<MadeBackup> make_backup(Assembly::Parts& parts, const std::filesystem::path& folder,
                                     const BackupProgress& progress);

}  // namespace sigillo::appliance
