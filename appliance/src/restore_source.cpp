#include "restore_source.hpp"

#include <filesystem>

#include <appliance/backup_check.hpp>

#include "restoration.hpp"
#include "restore_files.hpp"

namespace sigillo::appliance {
namespace {

constexpr const char* kUnchanged = "Nothing was changed. Take another backup, or have that put right.";

std::optional<ActionFailure> wrong(const std::string& folder, const base::Result<BackupFinding>& found) {
  if (!found) return failed(found.error(), folder + " could not be checked", kUnchanged);
  if (found->intact()) return std::nullopt;
  std::string what = folder + ": " + std::string(name(found->verdict));
  for (const auto& one : found->about) what += (one == found->about.front() ? " (" : ", ") + one;
  if (!found->about.empty()) what += ')';
  return refused(what + ". " + found->detail, kUnchanged);
}

// In this order: what it says of itself, its files, the token, and only then what is in it.
std::variant<RestoreSource, ActionFailure> of_backup(const Config& config, const base::Secret& pin,
                                                     const std::string& folder, const Progress& progress) {
  const auto manifest = read_manifest(folder);
  if (!manifest) return failed(manifest.error(), folder + " is no backup", kUnchanged);
  const auto token = open_token(config.hsm, pin);
  if (!token) return failed(token.error(), "The token cannot be opened", kUnchanged);
  const auto registered = KeyRegister::read(**token);
  if (!registered) return failed(registered.error(), "The token's keys cannot be read", kUnchanged);
  const auto told = [&progress](std::uint64_t done, std::uint64_t total, std::string_view text) {
    if (progress) progress(done, total, text);
    return true;
  };
  if (auto failure = wrong(folder, check_files(folder, *manifest, ledger_keys(*registered), told)))
    return std::move(*failure);
  if (auto failure = wrong(folder, check_keys(manifest->manifest, **token))) return std::move(*failure);
  if (auto failure = wrong(folder, check_store(folder, manifest->manifest, **token, told)))
    return std::move(*failure);
  const auto* const file = manifest->manifest.find(BackupRole::store);
  return RestoreSource{(std::filesystem::path(folder) / file->name).string(), manifest->manifest.head};
}

}  // namespace

std::variant<RestoreSource, ActionFailure> find_source(const Config& config, const base::Secret& pin,
                                                       const RestoreOrder& order, const Progress& progress) {
  if (!order.backup.empty()) return of_backup(config, pin, order.backup, progress);
  if (!order.store.empty()) return RestoreSource{order.store, {}};
  const auto& store = config.store.path;
  return RestoreSource{cut_off(store) ? last_replaced(store) : store, {}};
}

}  // namespace sigillo::appliance
