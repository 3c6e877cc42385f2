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
#include "rotation.hpp"

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

// A main token with its spare, and a verifier key that waits: both backups, and the list of before it was
// made.
struct Pair {
  std::vector<KeyBackup> backups;
  KeyRegister before;
};

class RestoredList : public KeyRestore {
 protected:
  Pair ceremony(hsm::CeremonyToken& main, hsm::CeremonyToken& spare) {
    Pair out;
    EXPECT_TRUE(create_open_keys(main, kNow));
    back_up(main, spare, out);
    out.before = *KeyRegister::read(main);
    EXPECT_TRUE(create_open_key(main, *find_use("verifier"), kNow));
    back_up(main, spare, out);
    return out;
  }
  void back_up(hsm::CeremonyToken& main, hsm::CeremonyToken& spare, Pair& to) {
    const auto backup = prepare_backup(main, wrapping_, "main", kNow);
    ASSERT_GOOD(backup);
    const auto proofs = prove_backup(spare, *backup, wrapping_, kNow);
    ASSERT_GOOD(proofs);
    ASSERT_GOOD(commit_backup(main, *backup, wrapping_, *proofs, kNow));
    to.backups.push_back(*backup);
  }
  static std::vector<std::uint16_t> active(hsm::Token& token, const char* label) {
    std::vector<std::uint16_t> out;
    const auto keys = KeyRegister::read(token);
    for (const auto& entry : keys->keys())
      if (entry.label == label && entry.state == KeyState::active) out.push_back(entry.version);
    return out;
  }
  static void expect_one_of_each(hsm::Token& token) {
    for (const auto& use : key_uses()) EXPECT_EQ(active(token, use.label).size(), 1U) << use.name;
    EXPECT_TRUE(find_keys(token, *KeyRegister::read(token)));
  }
  using Versions = std::vector<std::uint16_t>;
};

TEST_F(RestoredList, OntoASpareThatHasProvenALaterKeyTheListsVersionAloneIsActive) {
  const auto main = make("one-main"), spare = make("one-spare");
  const auto pair = ceremony(*main, *spare);
  ASSERT_EQ(active(*spare, KeyLabels::verifier), Versions{2});
  ASSERT_GOOD(restore_keys(*spare, pair.backups, wrapping_, pair.before, kNow));
  EXPECT_EQ(active(*spare, KeyLabels::verifier), Versions{1});
  EXPECT_EQ(KeyRegister::read(*spare)->find({KeyLabels::verifier, 2})->state, KeyState::retiring)
      << "what it made may be there";
  expect_one_of_each(*spare);
  ASSERT_GOOD(restore_keys(*spare, pair.backups, wrapping_, {}, kNow));
  EXPECT_EQ(active(*spare, KeyLabels::verifier), Versions{2}) << "without a list the newest";
  expect_one_of_each(*spare);
}

TEST_F(RestoredList, WhoseActiveKeyNoBackupHasIsRefusedBesideAnotherActiveOneAndChangesNothing) {
  const auto main = make("lack-main"), spare = make("lack-spare");
  auto pair = ceremony(*main, *spare);
  ASSERT_TRUE(create_open_key(*main, *find_use("receipt"), kNow));
  back_up(*main, *spare, pair);
  auto rotated = *KeyRegister::read(*main);
  rotated.activate({KeyLabels::verifier, 2}, kNow);
  const auto other = make("lack-other");
  ASSERT_GOOD(restore_keys(*other, {pair.backups.front()}, wrapping_, pair.before, kNow));
  const auto there = encode(*KeyRegister::read(*other));
  for (const auto& backup : {pair.backups.front(), pair.backups.back()}) {
    const auto done = restore_keys(*other, {backup}, wrapping_, rotated, kNow);
    ASSERT_FALSE(done);
    EXPECT_NE(std::string(done.error().detail()).find("lack a key"), std::string::npos);
    EXPECT_EQ(encode(*KeyRegister::read(*other)), there);
    EXPECT_EQ(other->list_keys()->size(), key_uses().size());
  }
  ASSERT_GOOD(restore_keys(*other, pair.backups, wrapping_, rotated, kNow));
  EXPECT_EQ(active(*other, KeyLabels::verifier), Versions{2});
  expect_one_of_each(*other);
}

TEST_F(RestoredList, ThatSaysTwoVersionsOfOneUseAreActiveIsRefused) {
  const auto main = make("two-main"), spare = make("two-spare"), blank = make("two-blank");
  const auto pair = ceremony(*main, *spare);
  auto twice = *KeyRegister::read(*main);
  twice.set({KeyLabels::verifier, 2}, KeyState::active, kNow);
  const auto done = restore_keys(*blank, pair.backups, wrapping_, twice, kNow);
  ASSERT_FALSE(done);
  EXPECT_NE(std::string(done.error().detail()).find("two active"), std::string::npos);
  EXPECT_TRUE(blank->list_keys()->empty()) << "nothing was made";
}

TEST_F(RestoredList, AKeyThatWasDestroyedIsNotMadeActiveByALaterProof) {
  const auto main = make("gone-main"), spare = make("gone-spare");
  auto pair = ceremony(*main, *spare);
  auto destroyed = *KeyRegister::read(*main);
  destroyed.set({KeyLabels::verifier, 2}, KeyState::destroyed, kNow);  // it waited, and was retired unused
  ASSERT_GOOD(restore_keys(*spare, pair.backups, wrapping_, destroyed, kNow));
  EXPECT_EQ(active(*spare, KeyLabels::verifier), Versions{1});
  auto rotated = *KeyRegister::read(*main);
  rotated.activate({KeyLabels::verifier, 2}, kNow);
  EXPECT_FALSE(restore_keys(*spare, {pair.backups.front()}, wrapping_, rotated, kNow)) << "no backup has it";
  ASSERT_GOOD(create_open_key(*main, *find_use("receipt"), kNow));
  back_up(*main, *spare, pair);
  EXPECT_EQ(active(*spare, KeyLabels::verifier), Versions{1});
  EXPECT_EQ(active(*spare, KeyLabels::receipt), Versions{2});
  expect_one_of_each(*spare);
}

// A rotation of the record key on a token, as the appliance of it makes one.
base::Result<RecordKeyEntry> rotate_record(Config config, hsm::Token& token) {
  auto keys = *KeyRegister::read(token);
  KeyRing ring;
  return switch_record_key({token, keys, ring, config}, kNow);
}
std::shared_ptr<sealed_store::RecordSealer> sealer(hsm::Token& token) {
  return find_keys(token, *KeyRegister::read(token))->sealer;
}

TEST_F(RestoredList, ASpareThatWasNotToldOfARecordKeyNeverMakesItAgain) {
  const auto main = make("told-main"), spare = make("told-spare");
  const auto pair = ceremony(*main, *spare);
  const auto of_before = parse_register(encode(*KeyRegister::read(*main)));
  ASSERT_EQ(rotate_record(config("told-main"), *main)->id, 2);
  const auto of_then = parse_register(encode(*KeyRegister::read(*main)));
  const sealed_store::RecordKey row{1, {}};
  const auto sealed = sealer(*main)->seal(row, base::view("a record"));

  // The main token is lost. The spare opens what is of before the rotation, and rotates itself.
  ASSERT_EQ(rotate_record(config("told-spare"), *spare)->id, 2);
  EXPECT_FALSE(sealer(*spare)->open(row, sealed)) << "its uses are not counted here: another key";
  const auto own = sealer(*spare)->seal(row, base::view("another"));
  const auto mixed = restore_keys(*spare, pair.backups, wrapping_, *of_then, kNow);
  ASSERT_FALSE(mixed) << "one id, two keys";
  EXPECT_NE(std::string(mixed.error().detail()).find("another record key"), std::string::npos);
  EXPECT_TRUE(sealer(*spare)->open(row, own));

  // A spare that is told in time has the same key.
  const auto third = make("told-third");
  ASSERT_GOOD(restore_keys(*third, pair.backups, wrapping_, *of_before, kNow));
  ASSERT_GOOD(restore_keys(*third, pair.backups, wrapping_, *of_then, kNow));
  EXPECT_EQ(encode(*KeyRegister::read(*third)), encode(*of_then));
  EXPECT_TRUE(sealer(*third)->open(row, sealed));
}

TEST_F(RestoredList, OfBeforeARotationTakesNoRecordKeyFromTheToken) {
  const auto main = make("back-main"), spare = make("back-spare");
  const auto pair = ceremony(*main, *spare);
  const auto of_before = *KeyRegister::read(*main);
  ASSERT_EQ(rotate_record(config("back-main"), *main)->id, 2);
  const sealed_store::RecordKey row{1, {}};
  const auto sealed = sealer(*main)->seal(row, base::view("a record"));
  ASSERT_GOOD(restore_keys(*main, pair.backups, wrapping_, of_before, kNow));
  const auto keys = *KeyRegister::read(*main);
  ASSERT_EQ(keys.record_keys().size(), 2U);
  EXPECT_EQ(keys.record_keys().front().state, KeyState::retiring);
  EXPECT_EQ(keys.record_keys().back().state, KeyState::active);
  EXPECT_TRUE(sealer(*main)->open(row, sealed));
  EXPECT_EQ(rotate_record(config("back-main"), *main)->id, 3) << "an id that was given is not given again";
}

}  // namespace
}  // namespace sigillo::appliance
