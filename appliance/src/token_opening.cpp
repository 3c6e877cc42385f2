#include "token_opening.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <appliance/assembly.hpp>
#include <base/crypto.hpp>
#include <base/log.hpp>
#include <base/pending_file.hpp>

namespace sigillo::appliance {
namespace {

constexpr unsigned kMarkIterations = 200'000;
constexpr std::size_t kSaltBytes = 16;
// 12 bits: of a wrong PIN that was a right one mistyped, whoever reads the file learns no more than that, and
// one right PIN in 4,096 is held for the wrong one.
constexpr unsigned kMarkValues = 4096;

}  // namespace

const hsm::ModuleProfile& profile_of(const HsmConfig& config) {
  const auto* const named = hsm::find_profile(config.profile);
  return named != nullptr ? *named : hsm::profile_of_module(config.module);
}

hsm::TokenOptions token_options(const HsmConfig& config) {
  auto options = hsm::options_of(profile_of(config), config.sessions);
  options.module = config.module;
  options.token_label = config.token_label;
  options.token_serial = config.token_serial;
  options.init_arguments = config.init_arguments;
  if (config.canary) options.canary = *config.canary;
  return options;
}

hsm::DispatcherOptions dispatcher_options(const HsmConfig& config, const hsm::Token& token) {
  hsm::DispatcherOptions options;
  options.workers = hsm::workers_of(profile_of(config), config.sessions, token.parallelism());
  options.deadline = config.deadline;
  return options;
}

std::uint16_t RefusedPin::mark_of(const base::Secret& pin, base::ByteView salt) const {
  const auto salted = base::sha256({salt, base::view(token_)});
  const auto stretched = base::pbkdf2_sha256(pin, salted, kMarkIterations, sizeof(std::uint16_t));
  return base::read_be<std::uint16_t>(stretched.expose()) % kMarkValues;
}

bool RefusedPin::is(const base::Secret& pin) const {
  std::ifstream in(file_);
  std::string salt;
  unsigned mark = kMarkValues;
  if (!(in >> salt >> mark) || mark >= kMarkValues) return false;
  const auto raw_salt = base::from_hex(salt);
  return raw_salt && raw_salt->size() == kSaltBytes && mark_of(pin, *raw_salt) == mark;
}

void RefusedPin::remember(const base::Secret& pin) const {
  base::Bytes salt(kSaltBytes);
  base::random_bytes(salt);
  auto file = base::PendingFile::create(file_, true);
  if (!file || !file->write(base::to_hex(salt) + ' ' + std::to_string(mark_of(pin, salt)) + '\n') ||
      !file->finish())
    base::log::error("refused-pin-not-remembered", {{"file", file_}});
}

void RefusedPin::forget() const {
  std::error_code ignored;
  std::filesystem::remove(file_, ignored);
}

base::Result<base::Secret> read_pin_file(const std::string& path, PinFile kind) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
    return base::Error(Errc::pin_file, "the token PIN's file is not there");
  const mode_t others = kind == PinFile::credential ? S_IWGRP | S_IRWXO : S_IRWXG | S_IRWXO;
  if ((info.st_mode & others) != 0)
    return base::Error(Errc::pin_file, "the token PIN's file can be read by others: chmod 600");
  if (info.st_size <= 0 || info.st_size > 256)
    return base::Error(Errc::pin_file, "the token PIN's file is empty or too long");
  base::Secret pin(static_cast<std::size_t>(info.st_size));
  std::ifstream file(path, std::ios::binary);
  file.rdbuf()->pubsetbuf(nullptr, 0);  // straight into locked memory
  if (!file.read(reinterpret_cast<char*>(pin.writable().data()), info.st_size))
    return base::Error(Errc::pin_file, "the token PIN's file can not be read");
  std::size_t size = pin.size();
  while (size > 0 && (pin.expose()[size - 1] == '\n' || pin.expose()[size - 1] == '\r')) --size;
  if (size == 0) return base::Error(Errc::pin_file, "the token PIN's file is empty");
  return base::Secret(pin.expose().first(size));
}

base::Result<std::unique_ptr<hsm::Token>> open_token(const HsmConfig& config) {
  SIGILLO_TRY(const auto pin, read_pin_file(config.pin_file));
  return open_token(config, pin);
}

base::Result<std::unique_ptr<hsm::Token>> open_token(const HsmConfig& config, const base::Secret& pin) {
  SIGILLO_TRY(auto token, open_ceremony_token(config, pin));
  return std::unique_ptr<hsm::Token>(std::move(token));
}

// Attack: (1) get a foot into the service's process, (2) write its own module's file, (3) wait for the next
// start: code of one's own that has the PIN, from the first instruction on. A module that was just built is
// its builder's, so a development appliance only says so.
base::Result<void> check_module_owner(const HsmConfig& config) {
  SIGILLO_TRY(const bool roots, hsm::only_root_writes(config.module));
  if (roots) return base::ok();
  if (!config.allow_test_module)
    return base::Error(hsm::Errc::module_load,
                       "the module's file or folder is not root's, so its owner can exchange it: chown root");
  base::log::warn("hsm-module-not-roots", {{"module", config.module}});
  return base::ok();
}

base::Result<std::unique_ptr<hsm::CeremonyToken>> open_ceremony_token(const HsmConfig& config,
                                                                      const base::Secret& pin) {
  if (!config.softhsm2_conf.empty()) setenv("SOFTHSM2_CONF", config.softhsm2_conf.c_str(), 1);
  const RefusedPin refused(config.refused_pin_file,
                           config.module + '\n' + config.token_label + '\n' + config.token_serial);
  if (refused.is(pin))
    return base::Error(
        hsm::Errc::credential,
        "the token refused this PIN before, and it is not tried again: give the right one, or where "
        "it is right by now, remove the file token-pin-refused beside the store");
  SIGILLO_CHECK(check_module_owner(config));
  auto options = token_options(config);
  // At a login while it runs as well: the PIN's file may still have that PIN at the next start.
  options.pin_refused = [refused](const base::Secret& wrong) { refused.remember(wrong); };
  SIGILLO_TRY(auto token, hsm::Pkcs11Token::open(options, pin));
  refused.forget();
  SIGILLO_TRY(const auto identity, token->identity());
  // By what the token says of itself, for a module's file can have any name, and stand in another process.
  const bool soft = !profile_of(config).for_production || identity.manufacturer.starts_with("SoftHSM");
  if (soft && !config.allow_test_module)
    return base::Error(Errc::policy,
                       "this module is for development and tests: its keys are files. Take an HSM, or say "
                       "hsm.allow_test_module = true");
  return std::unique_ptr<hsm::CeremonyToken>(std::move(token));
}

}  // namespace sigillo::appliance
