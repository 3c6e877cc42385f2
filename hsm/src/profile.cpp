#include <hsm/profile.hpp>

#include <algorithm>
#include <array>

namespace sigillo::hsm {
namespace {

// Beside the workers': the store's witness, and the housekeeping that looks for another copy.
constexpr std::size_t kOwnSessions = 2;
// Workers beyond the calls at once: while one is on its way back, another's call takes its place in the
// device. A second one would be woken for nothing: the witness has the session that it would need.
constexpr std::size_t kOnTheWay = 1;

constexpr auto kProfiles = std::to_array<ModuleProfile>({
    {.name = "network",
     .file = "",
     .what = "a network HSM or a card that works in parallel, and what no other profile names",
     .calls = 16,
     .idle = base::seconds(30),  // the shortest known: YubiHSM 2
     .serialise = false,
     .data_objects = true,
     .login_for_random = true,
     .init_arguments = false,
     .for_production = true},
    // The softoken of NSS: in one process, its key database under init_arguments. It makes no private data
    // object on the token (CKR_ATTRIBUTE_VALUE_INVALID), so it has keys, and no anchor.
    {.name = "nss",
     .file = "libsoftokn3",
     .what = "the soft token of NSS 3",
     .calls = 1,
     .idle = base::hours(24),
     .serialise = false,
     .data_objects = false,
     .login_for_random = false,
     .init_arguments = true,
     .for_production = false},
    // p11-kit 0.24's client loses a wake-up when its connection dies under two calls: the second hangs for
    // ever.
    {.name = "p11-kit-remote",
     .file = "p11-kit-client",
     .what = "a module in another process, through p11-kit's remote protocol",
     .calls = 1,
     .idle = base::seconds(30),
     .serialise = true,
     .data_objects = true,
     .login_for_random = true,
     .init_arguments = false,
     .for_production = true},
    // It serialises inside: two threads do less together than one alone. Its objects are files that nobody
    // syncs.
    {.name = "softhsm2",
     .file = "libsofthsm2",
     .what = "SoftHSM 2, for development and tests",
     .calls = 1,
     .idle = base::hours(24),
     .serialise = false,
     .data_objects = true,
     .login_for_random = false,
     .init_arguments = false,
     .for_production = false},
});

}  // namespace

std::span<const ModuleProfile> module_profiles() {
  return kProfiles;
}

const ModuleProfile* find_profile(std::string_view name) {
  const auto found = std::ranges::find(kProfiles, name, &ModuleProfile::name);
  return found == kProfiles.end() ? nullptr : &*found;
}

const ModuleProfile& profile_of_module(std::string_view path) {
  const std::string_view file = path.substr(path.rfind('/') + 1);
  for (const auto& profile : kProfiles) {
    if (!profile.file.empty() && file.starts_with(profile.file)) return profile;
  }
  return *find_profile("network");
}

TokenOptions options_of(const ModuleProfile& profile, std::size_t calls) {
  TokenOptions options;
  options.sessions_max = profile.serialise ? 1 : (calls > 0 ? calls : profile.calls) + kOwnSessions;
  // Two thirds: the canary itself may take its time.
  options.canary.ms = std::min(options.canary.ms, profile.idle.ms * 2 / 3);
  return options;
}

std::size_t workers_of(const ModuleProfile& profile, std::size_t calls, std::size_t parallelism) {
  if (profile.serialise) return 1;
  const std::size_t wanted = calls > 0 ? calls : profile.calls;
  const std::size_t room = parallelism > kOwnSessions ? parallelism - kOwnSessions : 1;
  const std::size_t at_once = std::min(wanted, room);
  return at_once + std::min(at_once / 4, kOnTheWay);
}

}  // namespace sigillo::hsm
