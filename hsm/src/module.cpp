#include "module.hpp"

#include <dlfcn.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace sigillo::hsm {
namespace {

// What must not be written, with every link resolved.
base::Result<std::array<std::filesystem::path, 2>> file_and_folder(const std::string& path) {
  if (path.empty() || path.front() != '/')
    return base::Error(Errc::module_load, "the module's path is not absolute");
  std::error_code failed;
  const auto real = std::filesystem::canonical(path, failed);
  if (failed)
    return base::Error(Errc::module_load, "the module is not there",
                       static_cast<unsigned long>(failed.value()));
  return std::array{real, real.parent_path()};
}

// A library that anyone may replace is anyone's code in the process that knows the token's PIN:
// 1. the configuration names a relative path, or a directory like /tmp; 2. another user of the host puts a
// library there;
// 3. it gets the PIN with the first C_Login. So: absolute, its links resolved, and neither file nor directory
// open to all, or to a group: the service's own is one.
base::Result<std::string> checked_path(const std::string& path) {
  SIGILLO_TRY(const auto parts, file_and_folder(path));
  for (const auto& part : parts) {
    struct stat status {};
    if (::stat(part.c_str(), &status) != 0 || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
      return base::Error(Errc::module_load,
                         "the module or its directory can be written by others than its owner: chmod go-w");
    }
  }
  return parts[0].string();
}

// A module that speaks to its device over a socket writes to it with write(): when the line dies, SIGPIPE
// ends the process (measured with p11-kit's client) before any CK_RV could tell. A handler that the program
// chose is left alone.
void survive_broken_lines() {
  struct sigaction now {};
  if (::sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) ::signal(SIGPIPE, SIG_IGN);
}

}  // namespace

base::Result<bool> only_root_writes(const std::string& module) {
  SIGILLO_TRY(const auto parts, file_and_folder(module));
  return std::ranges::all_of(parts, [](const auto& part) {
    struct stat status {};
    return ::stat(part.c_str(), &status) == 0 && status.st_uid == 0;
  });
}

base::Result<std::unique_ptr<Module>> Module::load(const std::string& path) {
  SIGILLO_TRY(const std::string real, checked_path(path));
  survive_broken_lines();
  void* library = ::dlopen(real.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return base::Error(Errc::module_load, "the module cannot be loaded");
  const auto get_list = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
  if (get_list == nullptr)
    return base::Error(Errc::module_load, "not a PKCS#11 module: no C_GetFunctionList");
  CK_FUNCTION_LIST* functions = nullptr;
  const CK_RV rv = get_list(&functions);
  if (rv != CKR_OK || functions == nullptr)
    return base::Error(Errc::module_load, "C_GetFunctionList failed", rv);
  if (functions->version.major < 2) return base::Error(Errc::module_load, "a PKCS#11 module older than 2.0");
  return std::unique_ptr<Module>(new Module(functions));
}

Module::~Module() {
  if (ours_) finalize();
}

base::Result<void> Module::initialize(const std::string& arguments) {
  // NSS reads its string where the standard has pReserved, and a pointer more behind it.
  struct {
    CK_C_INITIALIZE_ARGS standard{};
    void* more = nullptr;
  } given;
  given.standard.flags = CKF_OS_LOCKING_OK;
  if (!arguments.empty()) given.standard.pReserved = const_cast<char*>(arguments.c_str());
  const CK_RV rv = functions_->C_Initialize(&given.standard);
  if (classify(Function::initialize, rv) != RvClass::ok) return to_error(Function::initialize, rv);
  if (rv == CKR_OK) ours_ = true;
  return base::ok();
}

void Module::finalize() {
  functions_->C_Finalize(nullptr);
  ours_ = false;
}

base::Result<std::vector<CK_SLOT_ID>> slots_with_token(const Module& module) {
  // The count may grow between the two calls.
  for (int attempt = 0; attempt < 3; ++attempt) {
    CK_ULONG count = 0;
    if (const CK_RV rv = module->C_GetSlotList(CK_TRUE, nullptr, &count); rv != CKR_OK) {
      return to_error(Function::slot_list, rv);
    }
    std::vector<CK_SLOT_ID> slots(count);
    if (slots.empty()) return slots;
    const CK_RV rv = module->C_GetSlotList(CK_TRUE, slots.data(), &count);
    if (rv == CKR_BUFFER_TOO_SMALL) continue;
    if (rv != CKR_OK) return to_error(Function::slot_list, rv);
    slots.resize(count);
    return slots;
  }
  return base::Error(Errc::unavailable, "the list of slots does not stand still");
}

base::Result<CK_SLOT_ID> Module::find_slot(const std::string& label, const std::string& serial) {
  if (label.empty() && serial.empty())
    return base::Error(Errc::no_such_token, "a token is named by its label or its serial number");
  const auto is = [](const std::string& wanted, const std::string& shown) {
    return wanted.empty() || wanted == shown;
  };
  SIGILLO_TRY(const auto slots, slots_with_token(*this));
  std::optional<CK_SLOT_ID> found;
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info{};
    if (functions_->C_GetTokenInfo(slot, &info) != CKR_OK) continue;  // a broken neighbour is not our token
    if ((info.flags & CKF_TOKEN_INITIALIZED) == 0) continue;
    if (!is(label, trimmed(info.label)) || !is(serial, trimmed(info.serialNumber))) continue;
    if (found)
      return base::Error(Errc::no_such_token,
                         "more than one token is named so: give label and serial number");
    found = slot;
  }
  if (!found) return base::Error(Errc::no_such_token, "no token has this label and serial number");
  return *found;
}

base::Result<TokenIdentity> read_identity(const Module& module, CK_SLOT_ID slot) {
  CK_INFO library{};
  if (const CK_RV rv = module->C_GetInfo(&library); rv != CKR_OK) return to_error(Function::token_info, rv);
  CK_TOKEN_INFO token{};
  if (const CK_RV rv = module->C_GetTokenInfo(slot, &token); rv != CKR_OK)
    return to_error(Function::token_info, rv);
  const auto version = [](const CK_VERSION& v) {
    return std::to_string(v.major) + '.' + std::to_string(v.minor);
  };
  return TokenIdentity{
      .library = trimmed(library.manufacturerID) + ", " + trimmed(library.libraryDescription),
      .library_version = version(library.libraryVersion),
      .manufacturer = trimmed(token.manufacturerID),
      .model = trimmed(token.model),
      .serial = trimmed(token.serialNumber),
      .label = trimmed(token.label),
      .firmware = version(token.firmwareVersion)};
}

}  // namespace sigillo::hsm
