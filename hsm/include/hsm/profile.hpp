// ModuleProfile: what a PKCS#11 module is like, as data: how many calls it gains from at once, how long it
// keeps an idle session, what it cannot do. One table of built-in profiles; a module is known by its file's
// name, and the configuration may name another profile. Thread rule: constants. Never: a behaviour in code
// that asks a module for its name.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <hsm/pkcs11_token.hpp>

namespace sigillo::hsm {

struct ModuleProfile {
  std::string_view name;  // as hsm.profile says it
  std::string_view file;  // the module's file begins so; empty: by name only
  std::string_view what;  // for whoever reads a report
  std::size_t calls;    // at once, from the workers; the store and the housekeeping have sessions beside them
  base::Duration idle;  // the module, or a firewall on the way, closes a session that is idle so long
  bool serialise;       // one call in the module at a time, whoever makes it
  bool data_objects;    // keeps private data objects on the token: no anchor without them
  bool login_for_random;  // C_GenerateRandom wants a login (ours always has one)
  bool init_arguments;    // C_Initialize wants a string (hsm.init_arguments)
  bool for_production;
};

// Sorted by name; "network" is what a module is taken for that none names.
std::span<const ModuleProfile> module_profiles();
const ModuleProfile* find_profile(std::string_view name);
const ModuleProfile& profile_of_module(std::string_view path);

// The pool that the profile wants, or one of `calls` at once where that is not 0.
TokenOptions options_of(const ModuleProfile& profile, std::size_t calls = 0);
// Workers for a dispatcher on a token so opened: as many calls as the profile gains from and the token has
// room for, and from four on one more that is on its way.
std::size_t workers_of(const ModuleProfile& profile, std::size_t calls, std::size_t parallelism);

}  // namespace sigillo::hsm
