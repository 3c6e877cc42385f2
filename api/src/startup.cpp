#include "startup.hpp"

#include <sys/stat.h>

#include <cstdlib>

#include <base/log.hpp>

namespace sigillo::api {
namespace {

struct PinSource {
  std::string path;
  appliance::PinFile kind;
  const char* how;
};

// systemd names the folder in the environment, and lets nobody else into it.
std::optional<PinSource> pin_source(const appliance::HsmConfig& config) {
  if (const char* const folder = std::getenv("CREDENTIALS_DIRECTORY")) {
    const std::string path = std::string(folder) + "/token-pin";
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0)
      return PinSource{path, appliance::PinFile::credential, "credential"};
  }
  if (!config.pin_file.empty()) return PinSource{config.pin_file, appliance::PinFile::owners, "pin-file"};
  return std::nullopt;
}

bool passes(const base::Error& error) {
  return error.is(hsm::Errc::unavailable) || error.is(hsm::Errc::deadline) ||
         error.is(hsm::Errc::no_such_token);
}

}  // namespace

base::Result<Unsealed> unseal_alone(appliance::Host& host, const appliance::Config& config) {
  const auto source = pin_source(config.hsm);
  if (!source) {
    host.note("no-token-pin");
    return Unsealed::for_person;
  }
  const auto pin = appliance::read_pin_file(source->path, source->kind);
  if (!pin) {
    host.note("no-token-pin");
    base::log::error("token-pin-not-read", pin.error());
    return Unsealed::for_person;
  }
  const auto done = host.unseal(*pin, source->how);
  if (done) return Unsealed::done;
  // Attack on oneself: a wrong PIN that is tried at every restart locks the token for good.
  if (done.error().is(hsm::Errc::credential)) return Unsealed::for_person;
  if (passes(done.error())) return Unsealed::later;
  return done.error();
}

}  // namespace sigillo::api
