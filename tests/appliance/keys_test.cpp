// The life of a key: made open, wrapped, proven on a second token, closed; restored; and interrupted
// anywhere.
#include <gtest/gtest.h>

#include <appliance/assembly.hpp>
#include <appliance/key_backup.hpp>
#include <hsm/fake_token.hpp>

namespace sigillo::appliance {
namespace {

using hsm::FakeToken;
constexpr base::Instant kNow{1'780'000'000'000};

base::Secret wrapping_key(base::Byte first = 7) {
  base::Secret key(hsm::kWrappingKeyBytes);
  key.writable()[0] = first;
  return key;
}

template <class T>
std::string why(const base::Result<T>& result) {
  return result ? std::string("good")
                : std::to_string(result.error().number()) + " " + std::string(result.error().detail());
}

#define ASSERT_GOOD(result) ASSERT_TRUE(result) << why(result)

KeyBackup prepared(FakeToken& token) {
  EXPECT_TRUE(create_open_keys(token, kNow));
  auto backup = prepare_backup(token, wrapping_key(), "first", kNow);
  EXPECT_TRUE(backup) << why(backup);
  return std::move(*backup);
}

std::vector<KeyProof> proven(const KeyBackup& backup) {
  FakeToken second;
  auto proofs = prove_backup(second, backup, wrapping_key(), kNow);
  EXPECT_TRUE(proofs) << why(proofs);
  return std::move(*proofs);
}

TEST(KeyCeremony, AKeyIsOfNoUseBeforeItsBackupIsProven) {
  FakeToken token;
  const auto backup = prepared(token);
  EXPECT_EQ(backup.keys.size(), key_uses().size());
  for (const auto& use : key_uses()) {
    EXPECT_FALSE(token.find_key({use.label, 1})) << use.name;
    EXPECT_EQ(KeyRegister::read(token)->find({use.label, 1})->state, KeyState::created);
  }
  const auto committed = commit_backup(token, backup, wrapping_key(), proven(backup), kNow);
  ASSERT_GOOD(committed);
  const auto keys = KeyRegister::read(token);
  for (const auto& use : key_uses()) {
    const auto key = token.find_key({use.label, 1});
    ASSERT_TRUE(key) << use.name;
    EXPECT_EQ(keys->active(use.label)->check_value, *hsm::check_value(token, *key, use.type));
  }
  EXPECT_EQ(token.list_keys()->size(), key_uses().size()) << "no open key is left";
  EXPECT_FALSE(prepare_backup(token, wrapping_key(), "first", kNow)) << "nothing waits any more";
}

TEST(KeyCeremony, AProofThatIsMissingOrAnotherClosesNothing) {
  FakeToken token;
  const auto backup = prepared(token);
  auto proofs = proven(backup);
  const auto left_out = proofs.back();
  proofs.pop_back();
  EXPECT_FALSE(commit_backup(token, backup, wrapping_key(), {}, kNow));
  EXPECT_FALSE(token.find_key({KeyLabels::index, 1}));
  proofs.push_back({left_out.kid, base::Bytes(hsm::kCheckValueBytes)});
  EXPECT_FALSE(commit_backup(token, backup, wrapping_key(), proofs, kNow));
  proofs.back() = left_out;
  EXPECT_TRUE(commit_backup(token, backup, wrapping_key(), proofs, kNow)) << "and goes on where it stopped";
}

TEST(KeyCeremony, ATokenProvesNothingOfItsOwnKeys) {
  FakeToken token;
  const auto backup = prepared(token);
  const auto before = encode(*KeyRegister::read(token));
  const auto proofs = prove_backup(token, backup, wrapping_key(), kNow);
  ASSERT_FALSE(proofs);
  EXPECT_TRUE(proofs.error().is(Errc::key_backup)) << why(proofs);
  EXPECT_EQ(encode(*KeyRegister::read(token)), before) << "nothing is closed and nothing made active";
  EXPECT_FALSE(token.find_key({KeyLabels::index, 1}));
}

TEST(KeyCeremony, ABackupThatWasAlteredOrOfAnotherWrappingKeyIsRefused) {
  FakeToken token;
  const auto backup = prepared(token);
  const auto text = encode(backup, wrapping_key());
  ASSERT_TRUE(parse_backup(text, wrapping_key()));
  EXPECT_FALSE(parse_backup(text, wrapping_key(8)));
  EXPECT_FALSE(parse_backup("{}", wrapping_key()));
  EXPECT_FALSE(parse_backup(text.substr(0, text.size() / 2), wrapping_key()));
  // Two keys that exchange their names are two keys, and each unwraps.
  auto exchanged = text;
  const std::string one = "sigillo.index", other = "sigillo.store";
  exchanged.replace(exchanged.find(one), one.size(), other);
  EXPECT_FALSE(parse_backup(exchanged, wrapping_key()));
}

TEST(KeyCeremony, ATokenIsRestoredFromItsBackupsWithItsStates) {
  FakeToken token;
  const auto first = prepared(token);
  ASSERT_TRUE(commit_backup(token, first, wrapping_key(), proven(first), kNow));
  ASSERT_TRUE(create_open_key(token, *find_use("verifier"), kNow));
  const auto again = create_open_key(token, *find_use("verifier"), kNow);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->version, 2) << "the one that waits is not doubled";
  const auto second = prepare_backup(token, wrapping_key(), "first", kNow);
  ASSERT_TRUE(second);
  ASSERT_EQ(second->keys.size(), 1U);
  ASSERT_TRUE(commit_backup(token, *second, wrapping_key(), proven(*second), kNow));
  auto keys = *KeyRegister::read(token);
  EXPECT_EQ(keys.find({KeyLabels::verifier, 2})->state, KeyState::backed_up) << "active by a rotation alone";

  FakeToken restored;
  const auto states = parse_register(encode(keys));
  ASSERT_GOOD(states);
  const std::vector<KeyBackup> backups{first, *second};
  const auto done = restore_keys(restored, backups, wrapping_key(), *states, kNow);
  ASSERT_GOOD(done);
  const auto there = *KeyRegister::read(restored);
  EXPECT_EQ(encode(there), encode(keys));
  for (const auto& entry : keys.keys()) {
    const auto key = restored.find_key(entry.id());
    ASSERT_TRUE(key) << entry.id().kid();
    EXPECT_EQ(*hsm::check_value(restored, *key, entry.type), entry.check_value);
  }
  EXPECT_FALSE(restore_keys(restored, {first}, wrapping_key(8), *states, kNow) &&
               encode(*KeyRegister::read(restored)) != encode(keys));
  FakeToken partly;
  EXPECT_FALSE(restore_keys(partly, {*second}, wrapping_key(), *states, kNow)) << "a backup is missing";
  FakeToken plain;
  ASSERT_TRUE(restore_keys(plain, backups, wrapping_key(), {}, kNow));
  EXPECT_EQ(KeyRegister::read(plain)->active(KeyLabels::verifier)->version, 2);
}

TEST(KeyCeremony, InterruptedAtAnyCallItGoesOn) {
  using Call = FakeToken::Call;
  constexpr int kRuns = 24;  // more than the calls of a kind in a ceremony
  for (const auto call : {Call::generate_key, Call::destroy_key, Call::create_data, Call::destroy_data,
                          Call::find_key, Call::hmac}) {
    for (int n = 1; n <= kRuns; ++n) {
      for (const bool after : {false, true}) {
        FakeToken token;
        if (after)
          token.fail_after_effect(call, static_cast<std::uint64_t>(n), hsm::Errc::unavailable);
        else
          token.fail(call, static_cast<std::uint64_t>(n), hsm::Errc::unavailable);
        std::optional<KeyBackup> backup;
        std::vector<KeyProof> proofs;
        bool done = false;
        for (int attempt = 0; attempt < 3 && !done; ++attempt) {
          if (!create_open_keys(token, kNow)) continue;
          if (!backup) {
            auto made = prepare_backup(token, wrapping_key(), "first", kNow);
            if (!made) continue;
            backup = std::move(*made);
            proofs = proven(*backup);
          }
          done = static_cast<bool>(commit_backup(token, *backup, wrapping_key(), proofs, kNow));
        }
        token.heal();
        ASSERT_TRUE(done) << "call " << static_cast<int>(call) << " n " << n << " after " << after;
        const auto keys = KeyRegister::read(token);
        for (const auto& key : backup->keys) {
          const auto ref = token.find_key(key.id);
          ASSERT_TRUE(ref) << key.id.kid();
          EXPECT_EQ(*hsm::check_value(token, *ref, key.type), key.check_value);
          EXPECT_EQ(keys->find(key.id)->state, KeyState::active);
        }
        EXPECT_EQ(token.list_keys()->size(), key_uses().size());
      }
    }
  }
}

TEST(KeyRegister, AListOfBeforeRecordKeysHadSaltsIsRead) {
  FakeToken token;
  ASSERT_TRUE(create_keys(token, kNow));
  const auto text = encode(*KeyRegister::read(token));
  auto before = text;
  const std::string salt = R"(,"salt":"")";
  ASSERT_NE(before.find(salt), std::string::npos);
  before.erase(before.find(salt), salt.size());
  const auto read = parse_register(before);
  ASSERT_GOOD(read);
  EXPECT_EQ(encode(*read), text);
}

TEST(KeyRegister, AChangeBySomeoneElseIsNotOverwritten) {
  FakeToken token;
  ASSERT_TRUE(create_keys(token, kNow));
  auto mine = *KeyRegister::read(token);
  auto theirs = *KeyRegister::read(token);
  ASSERT_TRUE(theirs.write(token));
  EXPECT_FALSE(mine.write(token));
  EXPECT_EQ(token.list_data("sigillo.keys")->size(), 1U);
}

}  // namespace
}  // namespace sigillo::appliance
