// A ceremony's keys on three real tokens: made on the first, proven on the second, restored onto a third from
// the file; equal check values, one store that each of them opens, a backup of it that the restored one
// checks whole, and an appliance that starts on it.
#include <gtest/gtest.h>

#include <appliance/assembly.hpp>
#include <appliance/key_backup.hpp>
#include <base/jwe.hpp>
#include <sealed_store/store_copy.hpp>
#include <support/softhsm_fixture.hpp>

#include "backup.hpp"
#include "parts.hpp"

namespace sigillo::appliance {
namespace {

constexpr base::Instant kNow{1'780'000'000'000};

std::string why(const base::Error& error) {
  return std::to_string(error.number()) + " raw " + std::to_string(error.raw()) + ": " + error.detail();
}
#define ASSERT_GOOD(result) ASSERT_TRUE(result) << why((result).error())

class KeyRestore : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::softhsm_directory() / "restore";
    std::filesystem::create_directory(folder_);
    for (auto& byte : wrapping_.writable()) byte = 9;
  }
  Config config(const std::string& label) const {
    Config out;
    out.hsm.module = testing::softhsm_module();
    out.hsm.token_label = label;
    out.hsm.allow_test_module = true;
    out.hsm.refused_pin_file = folder_ / "refused";
    out.store.path = folder_ / (label + ".db");
    out.allow_weak_policy = true;
    return out;
  }
  std::unique_ptr<hsm::CeremonyToken> make(const std::string& label) {
    const auto made =
        hsm::initialise_token(testing::softhsm_module(), label, testing::so_pin(), testing::user_pin());
    EXPECT_TRUE(made);
    return open(label);
  }
  std::unique_ptr<hsm::CeremonyToken> open(const std::string& label) {
    auto token = open_ceremony_token(config(label).hsm, testing::user_pin());
    EXPECT_TRUE(token) << why(token.error());
    return std::move(*token);
  }
  static Officers officers() {
    Officers out;
    for (const char* name : {"anna", "bruno"}) {
      OfficerRecord officer;
      officer.name = name;
      officer.key = base::EcPrivateKey::generate().public_key().point();
      out.push_back(officer);
    }
    return out;
  }

  // Everything of the backup, by a token that has never seen the store.
  static void expect_intact(const std::filesystem::path& folder, hsm::Token& token) {
    const auto manifest = read_manifest(folder);
    ASSERT_GOOD(manifest);
    const auto files = check_files(folder, *manifest, ledger_keys(*KeyRegister::read(token)), {});
    ASSERT_GOOD(files);
    EXPECT_TRUE(files->intact()) << files->detail;
    const auto keys = check_keys(manifest->manifest, token);
    ASSERT_GOOD(keys);
    EXPECT_TRUE(keys->intact()) << keys->detail;
    const auto store = check_store(folder, manifest->manifest, token, {});
    ASSERT_GOOD(store);
    EXPECT_TRUE(store->intact()) << store->detail;
  }

  std::filesystem::path folder_;
  base::Secret wrapping_{hsm::kWrappingKeyBytes};
  const base::SystemClock clock_;
};

TEST_F(KeyRestore, ATokenThatIsLostComesBackFromItsBackup) {
  std::string file, proof_file, states;
  {
    const auto first = make("first");
    ASSERT_GOOD(create_open_keys(*first, kNow));
    const auto backup = prepare_backup(*first, wrapping_, "first", kNow);
    ASSERT_GOOD(backup);
    file = encode(*backup, wrapping_);
  }
  {
    const auto second = make("second");
    const auto backup = parse_backup(file, wrapping_);
    ASSERT_GOOD(backup);
    const auto proofs = prove_backup(*second, *backup, wrapping_, kNow);
    ASSERT_GOOD(proofs);
    proof_file = encode(*proofs);
  }
  {
    const auto first = open("first");
    ASSERT_FALSE(find_keys(*first, *KeyRegister::read(*first)))
        << "no key serves before its backup is proven";
    ASSERT_GOOD(
        commit_backup(*first, *parse_backup(file, wrapping_), wrapping_, *parse_proofs(proof_file), kNow));
    states = encode(*KeyRegister::read(*first));
    ASSERT_GOOD(found_store(config("first"), *first, {}, officers(), clock_));
  }
  const auto folder = folder_ / "backup";
  {
    const auto opened = Assembly::open(config("first"), testing::user_pin(), clock_);
    ASSERT_GOOD(opened);
    ASSERT_GOOD(make_backup((*opened)->parts(), folder, [](auto, auto, auto) { return true; }));
  }
  const auto third = make("third");
  ASSERT_GOOD(
      restore_keys(*third, {*parse_backup(file, wrapping_)}, wrapping_, *parse_register(states), kNow));
  EXPECT_EQ(encode(*KeyRegister::read(*third)), states);
  const auto registered = KeyRegister::read(*third);
  for (const auto& entry : registered->keys()) {
    const auto key = third->find_key(entry.id());
    ASSERT_GOOD(key);
    EXPECT_EQ(*hsm::check_value(*third, *key, entry.type), entry.check_value) << entry.id().kid();
    EXPECT_EQ(entry.state, KeyState::active);
  }
  const auto keys = store_keys(*third, 1);
  ASSERT_GOOD(keys);
  EXPECT_TRUE(*sealed_store::opens_with(config("first").store.path, keys->page_key))
      << "the store of the lost token opens with the restored one's key";
  expect_intact(folder, *third);
  ASSERT_GOOD(found_store(config("third"), *third, {}, officers(), clock_));
}

TEST_F(KeyRestore, TheApplianceStartsOnTheRestoredToken) {
  // The token of the test above: its store was founded under the restored keys.
  const auto opened = Assembly::open(config("third"), testing::user_pin(), clock_);
  ASSERT_GOOD(opened);
  EXPECT_TRUE((*opened)->service().readiness().ready);
}

}  // namespace
}  // namespace sigillo::appliance
