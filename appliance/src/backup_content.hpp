// What a store's file says of itself, once it was checked: where its ledger stands, whose it is, under which
// policy. What a manifest is made of, and compared with. Thread rule: one caller.
#pragma once

#include <string>

#include <appliance/key_register.hpp>
#include <hsm/token.hpp>
#include <sealed_store/store_file.hpp>

#include <appliance/backup_check.hpp>

namespace sigillo::appliance {

struct BackupContent {
  sealed_store::StoreContents store;
  std::string appliance;  // id
  std::string policy;     // digest, hex
  bool holds_anchor = false;
};
// `anchored`: a head that the ledger of the file must have.
base::Result<BackupContent> read_content(const std::filesystem::path& file, hsm::Token& token,
                                         const KeyRegister& keys, std::uint16_t store_version,
                                         const sealed_store::Head& anchored, const BackupProgress& progress);

}  // namespace sigillo::appliance
