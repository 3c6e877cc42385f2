// KeyRing: the keys in use, as one immutable set that is exchanged whole. An operation takes a snapshot and
// works with it to its end, so that a rotation is seen by the next one and never in the middle of one. What
// is in a set comes from the token's register: keys that are active or retiring, and the public halves of
// signing keys that were destroyed. Thread rule: any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include <appliance/key_register.hpp>
#include <base/jwe.hpp>
#include <sealed_store/record_sealer.hpp>

namespace sigillo::appliance {

struct PublicKeyEntry {
  std::string kid;
  base::EcPublicKey key;
};

struct Keys {
  hsm::KeyRef index, receipt, ledger;
  std::string receipt_kid, ledger_kid;
  std::vector<PublicKeyEntry> published;               // receipt and ledger keys, retired ones too
  std::map<std::uint16_t, hsm::KeyRef> verifiers;      // those that may be asked for
  std::uint16_t verifier = 1;                          // the version that makes new ones
  std::shared_ptr<sealed_store::RecordSealer> sealer;  // the active record key seals
  std::uint16_t record_key = 1;
  base::Bytes dummy_record;  // sealed; opened where there is no record, for the same work
  // Seal stored answers and key their fingerprints: one for each store key that answers may have been kept
  // under, the newest first.
  std::vector<base::Secret> idempotency;

  const base::EcPublicKey& ledger_public() const;
};
using KeySnapshot = std::shared_ptr<const Keys>;

class KeyRing {
 public:
  KeySnapshot snapshot() const {
    const std::lock_guard lock(mutex_);
    return keys_;
  }
  void replace(Keys keys) {
    if (const auto before = snapshot()) keys.sealer->share_count(*before->sealer);
    auto fresh = std::make_shared<const Keys>(std::move(keys));
    const std::lock_guard lock(mutex_);
    std::erase_if(older_, [](const auto& one) { return one.expired(); });
    if (keys_) older_.push_back(keys_);
    keys_ = std::move(fresh);
  }
  // Until no operation works with an older set any more. False: some still do after `wait`, or it is to stop.
  bool await_settled(base::Duration wait, const std::function<bool()>& stopping) const;

 private:
  mutable std::mutex mutex_;
  KeySnapshot keys_;
  std::vector<std::weak_ptr<const Keys>> older_;
};

// Every use has an active key, or Errc::no_such_key.
base::Result<Keys> find_keys(hsm::Token& token, const KeyRegister& keys);

// A key derived from a version of the store key (SP 800-108).
base::Result<base::Secret> derive_from_store(hsm::Token& token, std::uint16_t store_version,
                                             std::string_view label, std::string_view context = {});

}  // namespace sigillo::appliance
