#include <hsm/profile.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace sigillo::hsm {
namespace {

TEST(Profiles, AModuleIsKnownByItsFileAndElseIsANetworkHsm) {
  EXPECT_EQ(profile_of_module("/usr/lib/softhsm/libsofthsm2.so").name, "softhsm2");
  EXPECT_EQ(profile_of_module("/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so").name, "p11-kit-remote");
  EXPECT_EQ(profile_of_module("/usr/lib/x86_64-linux-gnu/libsoftokn3.so").name, "nss");
  EXPECT_EQ(profile_of_module("/opt/softhsm-tools/libvendor.so").name, "network")
      << "the folder says nothing";
  EXPECT_EQ(profile_of_module("libsofthsm2.so").name, "softhsm2");
}

TEST(Profiles, TheirNamesAreSortedAndEachIsFound) {
  EXPECT_TRUE(std::ranges::is_sorted(module_profiles(), {}, &ModuleProfile::name));
  for (const auto& profile : module_profiles()) EXPECT_EQ(find_profile(profile.name), &profile);
  EXPECT_EQ(find_profile("auto"), nullptr);
}

TEST(Profiles, ANetworkHsmGetsAsManyWorkersAsItHasSessionsToGive) {
  const auto& network = *find_profile("network");
  EXPECT_EQ(options_of(network, 32).sessions_max, 34U) << "the store's and the housekeeping's beside them";
  EXPECT_EQ(workers_of(network, 32, 34), 33U) << "one of them is on its way while the others call";
  EXPECT_EQ(workers_of(network, 8, 10), 9U);
  EXPECT_EQ(workers_of(network, 32, 10), 9U) << "the token's own bound, and the one on its way";
  EXPECT_EQ(workers_of(network, 2, 10), 2U);
  EXPECT_EQ(workers_of(network, 0, 1), 1U);
}

TEST(Profiles, AModuleThatBearsOneCallGetsOneWhateverIsConfigured) {
  const auto& remote = *find_profile("p11-kit-remote");
  EXPECT_EQ(options_of(remote, 8).sessions_max, 1U);
  EXPECT_EQ(workers_of(remote, 8, 1), 1U);
}

TEST(Profiles, TheCanaryIsSoonerThanTheModulesPatience) {
  for (const auto& profile : module_profiles()) {
    EXPECT_LT(options_of(profile).canary.ms, profile.idle.ms) << profile.name;
    EXPECT_LE(options_of(profile).canary.ms, 20'000) << profile.name;
  }
}

}  // namespace
}  // namespace sigillo::hsm
