// Keys that are backed up before they are used: what the ceremony and `sigillo keys backup|restore` call. In
// this order, each step by a process of its own where the two tokens are of one module:
//   create_open_keys -> prepare_backup -> (file) -> prove_backup, on a second token -> (proof) ->
//   commit_backup
// Only commit_backup closes a key, and a key that was not closed is found by nobody. Every function can be
// called again after it was interrupted, and goes on. The wrapping key is whatever the ceremony decides: 32
// bytes, split or held; the appliance never has it. Thread rule: one thread, beside no appliance that
// rotates.
#pragma once

#include <string>
#include <vector>

#include <appliance/key_register.hpp>
#include <base/secret.hpp>

namespace sigillo::appliance {

struct KeyBackup {
  std::string token;  // the label of the token it was made of: for people
  base::Instant made{};
  std::vector<hsm::WrappedKey> keys;
};

// 32 bytes from the token's generator.
base::Result<base::Secret> make_wrapping_key(hsm::Token& token);

// Version 1 of every use, open, state `created`. What is there already is left as it is.
base::Result<void> create_open_keys(hsm::CeremonyToken& token, base::Instant now);
// The next version of one use, for a rotation; the open one that is there already, where there is one.
base::Result<hsm::KeyId> create_open_key(hsm::CeremonyToken& token, const KeyUse& use, base::Instant now);

// Every key in state `created`, wrapped. Errc::key_state where there is none.
base::Result<KeyBackup> prepare_backup(hsm::CeremonyToken& token, const base::Secret& wrapping_key,
                                       std::string token_label, base::Instant now);

// One JSON document, "sigillo.key-backup/1", under a MAC by a key derived from the wrapping key: AES key wrap
// authenticates a key and not its name. Errc::key_backup where shape or MAC do not hold.
std::string encode(const KeyBackup& backup, const base::Secret& wrapping_key);
base::Result<KeyBackup> parse_backup(std::string_view text, const base::Secret& wrapping_key);

// What a second token says of a restored backup: kid and check value, as computed there.
struct KeyProof {
  std::string kid;
  base::Bytes check_value;
};
// "sigillo.key-proof/1", one JSON document; nothing secret in it.
std::string encode(const std::vector<KeyProof>& proofs);
base::Result<std::vector<KeyProof>> parse_proofs(std::string_view text);
// Restores onto a token that has none of the keys, and gives the check values. The keys stay there: it is now
// a spare token.
base::Result<std::vector<KeyProof>> prove_backup(hsm::CeremonyToken& second, const KeyBackup& backup,
                                                 const base::Secret& wrapping_key, base::Instant now);

// Closes every key of the backup for good: unwrapped as not extractable, the check values of the open key, of
// the closed one and of the proof compared, the open one destroyed, state `backed-up`; and `active` where its
// use had no active key yet (the first ceremony). Errc::key_backup where a proof is missing or another; then
// nothing of that key was changed.
base::Result<void> commit_backup(hsm::CeremonyToken& token, const KeyBackup& backup,
                                 const base::Secret& wrapping_key, const std::vector<KeyProof>& proofs,
                                 base::Instant now);

// A token from its backups, oldest first. `states`: the register as `sigillo keys list --format json` or the
// file beside the store gives it; without it the newest version of each use is active. Exactly one is,
// whatever was on the token. Keys that are there already with the same check value are left.
// Errc::key_backup, and nothing is made, where the list calls two versions of a use active, or one that is
// neither in a backup nor on the token.
base::Result<void> restore_keys(hsm::CeremonyToken& token, const std::vector<KeyBackup>& backups,
                                const base::Secret& wrapping_key, const std::optional<KeyRegister>& states,
                                base::Instant now);

// The register as JSON, "sigillo.keys/1", and back: what `keys list` prints, without the counts.
std::string encode(const KeyRegister& keys);
base::Result<KeyRegister> parse_register(std::string_view text);

}  // namespace sigillo::appliance
