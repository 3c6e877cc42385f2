// A development appliance from nothing: SoftHSM2 token, keys, CA, server certificate, one channel of each
// role, store and configuration, in one folder. For trying and testing: one person holds every key of it.
// Thread rule: one thread, before any other (it sets SOFTHSM2_CONF). Never: touches a folder that holds
// anything.
#pragma once

#include <filesystem>
#include <string>

#include <base/clock.hpp>
#include <base/result.hpp>

namespace sigillo::provisioning {

struct DevelopmentOptions {
  std::filesystem::path folder;  // absolute; not there yet, or empty
  std::string listen = "127.0.0.1:8443";
  std::string monitor = "127.0.0.1:9464";
};

// sigillo.toml is written last: a folder that has one is whole. On failure what was made is removed, and
// `doing` says which step it was, for the sentence that a person reads.
base::Result<void> make_development_appliance(const DevelopmentOptions& options, const base::Clock& clock,
                                              std::string& doing);

}  // namespace sigillo::provisioning
