// A backup's manifest: what it says comes back as it was, and nothing else passes for it.
#include <gtest/gtest.h>

#include <appliance/assembly.hpp>
#include <appliance/backup_manifest.hpp>
#include <hsm/fake_token.hpp>

namespace sigillo::appliance {
namespace {

constexpr base::Instant kNow{1'780'000'000'000};

struct Made {
  hsm::FakeToken token;
  BackupManifest manifest;
  std::string file;
  std::vector<base::EcPublicKey> keys;
};

std::string sign(Made& made) {
  const auto text = manifest_text(made.manifest);
  const auto key = made.token.find_key({KeyLabels::ledger, 1});
  const auto signature = made.token.sign(*key, manifest_digest(text));
  return manifest_file(text, "sigillo.ledger-v1", made.keys.front(), *signature);
}

std::unique_ptr<Made> make() {
  auto made = std::make_unique<Made>();
  EXPECT_TRUE(create_keys(made->token, kNow));
  auto& m = made->manifest;
  m.appliance = "AAAAAAAAAAAAAAAAAAAAAA";
  m.issuer = "sigillo";
  m.made = kNow;
  m.schema = 2;
  m.policy = std::string(64, 'a');
  m.head = {1, 4711, base::sha256({base::view("head")}), kNow};
  m.base = 12;
  m.anchor = {3, {1, 4700, base::sha256({base::view("anchor")}), kNow}};
  m.keys = *KeyRegister::read(made->token);
  m.files = {{BackupRole::store, "sigillo.db", 4096, base::sha256({base::view("store")})},
             {BackupRole::keys, "sigillo.db.keys", 100, base::sha256({base::view("keys")})}};
  made->keys = ledger_keys(m.keys);
  made->file = sign(*made);
  return made;
}

std::uint16_t refusal(const std::string& file) {
  const auto parsed = parse_manifest(file);
  return parsed ? 0 : parsed.error().number();
}

constexpr auto kRefused = static_cast<std::uint16_t>(Errc::backup);

TEST(BackupManifest, WhatItSaysComesBackAndTheLedgersKeyHasSignedIt) {
  const auto made = make();
  const auto parsed = parse_manifest(made->file);
  ASSERT_TRUE(parsed) << parsed.error().detail();
  EXPECT_EQ(parsed->text, manifest_text(made->manifest));
  EXPECT_EQ(parsed->manifest.head.hash, made->manifest.head.hash);
  EXPECT_EQ(parsed->manifest.anchor.epoch, 3U);
  EXPECT_EQ(parsed->manifest.anchor.head.seq, 4700U);
  EXPECT_EQ(parsed->manifest.find(BackupRole::keys)->name, "sigillo.db.keys");
  EXPECT_EQ(parsed->manifest.find(BackupRole::configuration), nullptr);
  EXPECT_EQ(parsed->manifest.keys.active(KeyLabels::verifier)->check_value,
            made->manifest.keys.active(KeyLabels::verifier)->check_value);
  EXPECT_EQ(check_signature(*parsed, made->keys), ManifestSignature::good);
}

TEST(BackupManifest, AnotherKeyAndAnAlteredTextAreToldApart) {
  const auto made = make();
  const auto other = make();  // of the same name, and another key
  EXPECT_EQ(check_signature(*parse_manifest(made->file), other->keys), ManifestSignature::unknown_key);
  EXPECT_EQ(check_signature(*parse_manifest(made->file), {}), ManifestSignature::unknown_key);
  auto altered = made->file;
  altered.replace(altered.find("\"bytes\":4096"), 12, "\"bytes\":4097");
  EXPECT_EQ(check_signature(*parse_manifest(altered), made->keys), ManifestSignature::bad);
  // Who signed is read from the signature, so its name alone makes no key unknown.
  auto renamed = made->file;
  const auto thumbprint = made->keys.front().thumbprint();
  renamed.replace(renamed.find(thumbprint), thumbprint.size(), other->keys.front().thumbprint());
  EXPECT_EQ(check_signature(*parse_manifest(renamed), made->keys), ManifestSignature::bad);
}

TEST(BackupManifest, NoOtherTextReadsAsOne) {
  const auto made = make();
  const auto& file = made->file;
  const auto swapped = [&](const std::string& from, const std::string& to) {
    auto out = file;
    out.replace(out.find(from), from.size(), to);
    return out;
  };
  EXPECT_EQ(refusal(file), 0);
  EXPECT_EQ(refusal(""), kRefused);
  EXPECT_EQ(refusal(file.substr(0, file.size() - 1)), kRefused) << "cut off";
  EXPECT_EQ(refusal(file.substr(0, file.find('\n') + 1)), kRefused) << "nobody signed it";
  EXPECT_EQ(refusal(file + "\n"), kRefused);
  EXPECT_EQ(refusal(swapped("\"issuer\":", "\"issuer\": ")), kRefused) << "a blank more";
  EXPECT_EQ(refusal(swapped("\"issuer\":\"sigillo\"", "\"issuer\":\"x\",\"issuer\":\"sigillo\"")), kRefused)
      << "a member twice";
  EXPECT_EQ(refusal(swapped("\"role\":\"keys\"", "\"role\":\"store\"")), kRefused) << "a role twice";
  EXPECT_EQ(refusal(swapped("\"made_at\":\"2", "\"made_at\":\"x")), kRefused);
  EXPECT_EQ(refusal(swapped("sigillo.backup/1", "sigillo.backup/2")),
            static_cast<std::uint16_t>(Errc::backup_version));
}

TEST(BackupManifest, AFilesNameIsOnePlainNameInTheFolder) {
  const auto made = make();
  for (const char* name : {"", ".", "..", "../x", "a/b", ".hidden", "a\nb", "a b", "manifest.jsonl"}) {
    made->manifest.files[1].name = name;
    EXPECT_EQ(refusal(sign(*made)), kRefused) << name;
  }
  made->manifest.files[1].name = made->manifest.files[0].name;
  EXPECT_EQ(refusal(sign(*made)), kRefused) << "one name for two files";
}

}  // namespace
}  // namespace sigillo::appliance
