#include "token_opening.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <appliance/assembly.hpp>
#include <base/crypto.hpp>
#include <base/log.hpp>

namespace sigillo::appliance {
namespace {

constexpr unsigned kMarkIterations = 200'000;
constexpr std::size_t kSaltBytes = 16;

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

bool RefusedPin::is(const base::Secret& pin) const {
  std::ifstream in(file_);
  std::string salt, mark;
  if (!(in >> salt >> mark)) return false;
  const auto raw_salt = base::from_hex(salt);
  const auto raw_mark = base::from_hex(mark);
  if (!raw_salt || !raw_mark || raw_mark->size() != 32) return false;
  const auto now = base::pbkdf2_sha256(pin, *raw_salt, kMarkIterations, 32);
  return base::constant_time_equal(now.expose(), base::ByteView(*raw_mark));
}

void RefusedPin::remember(const base::Secret& pin) const {
  base::Bytes salt(kSaltBytes);
  base::random_bytes(salt);
  const auto mark = base::pbkdf2_sha256(pin, salt, kMarkIterations, 32);
  std::ofstream out(file_, std::ios::trunc);
  out << base::to_hex(salt) << ' ' << base::to_hex(mark.expose()) << '\n';
  if (!out.flush()) base::log::error("refused-pin-not-remembered", {{"file", file_}});
  std::error_code ignored;
  std::filesystem::permissions(
      file_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, ignored);
}

void RefusedPin::forget() const {
  std::error_code ignored;
  std::filesystem::remove(file_, ignored);
}

base::Result<base::Secret> read_pin_file(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
    return base::Error(Errc::pin_file, "the token PIN's file is not there");
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
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

base::Result<std::unique_ptr<hsm::CeremonyToken>> open_ceremony_token(const HsmConfig& config,
                                                                      const base::Secret& pin) {
  if (!config.softhsm2_conf.empty()) setenv("SOFTHSM2_CONF", config.softhsm2_conf.c_str(), 1);
  const RefusedPin refused(config.refused_pin_file);
  if (refused.is(pin))
    return base::Error(hsm::Errc::credential,
                       "the token refused this PIN before, and it is not tried again: give the right one");
  auto token = hsm::Pkcs11Token::open(token_options(config), pin);
  if (!token) {
    if (hsm::is_wrong_pin(token.error())) refused.remember(pin);
    return token.error();
  }
  refused.forget();
  SIGILLO_TRY(const auto identity, (*token)->identity());
  // By what the token says of itself, for a module's file can have any name, and stand in another process.
  const bool soft = !profile_of(config).for_production || identity.manufacturer.starts_with("SoftHSM");
  if (soft && !config.allow_test_module)
    return base::Error(Errc::policy,
                       "this module is for development and tests: its keys are files. Take an HSM, or say "
                       "hsm.allow_test_module = true");
  return std::unique_ptr<hsm::CeremonyToken>(std::move(*token));
}

}  // namespace sigillo::appliance
