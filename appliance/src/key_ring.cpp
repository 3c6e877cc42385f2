#include "key_ring.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include <appliance/assembly.hpp>
#include <appliance/records.hpp>

#include "codec.hpp"

namespace sigillo::appliance {
namespace {

base::Result<PublicKeyEntry> publish(const KeyEntry& entry) {
  auto parsed = base::EcPublicKey::from_point(entry.point);
  if (!parsed) return base::Error(hsm::Errc::bad_attributes, "a signing key is not on P-256");
  return PublicKeyEntry{entry.kid(), std::move(*parsed)};
}

base::Result<void> find_signing_keys(hsm::Token& token, const KeyRegister& keys, Keys& out) {
  for (const auto& entry : keys.keys()) {
    const bool receipt = entry.label == KeyLabels::receipt;
    if (!receipt && entry.label != KeyLabels::ledger) continue;
    if (entry.state == KeyState::created || entry.state == KeyState::backed_up) continue;
    SIGILLO_TRY(auto published, publish(entry));
    if (entry.state == KeyState::active) {
      SIGILLO_TRY(const auto key, token.find_key(entry.id()));
      SIGILLO_TRY(const auto point, token.public_key(key));
      if (point != entry.point)
        return base::Error(hsm::Errc::bad_attributes, "a signing key is not the one of the register");
      (receipt ? out.receipt : out.ledger) = key;
      (receipt ? out.receipt_kid : out.ledger_kid) = published.kid;
    }
    out.published.push_back(std::move(published));
  }
  if (out.receipt_kid.empty() || out.ledger_kid.empty())
    return base::Error(hsm::Errc::no_such_key, "no active receipt or ledger key");
  return base::ok();
}

base::Result<void> find_mac_keys(hsm::Token& token, const KeyRegister& keys, Keys& out) {
  const auto* index = keys.active(KeyLabels::index);
  const auto* verifier = keys.active(KeyLabels::verifier);
  if (index == nullptr || verifier == nullptr)
    return base::Error(hsm::Errc::no_such_key, "no active index or verifier key");
  SIGILLO_TRY(out.index, token.find_key(index->id()));
  out.verifier = verifier->version;
  for (const auto& entry : keys.keys()) {
    if (entry.label != KeyLabels::verifier || !entry.usable()) continue;
    SIGILLO_TRY(const auto key, token.find_key(entry.id()));
    out.verifiers.emplace(entry.version, key);
  }
  return base::ok();
}

std::string context_of(std::uint16_t id, base::ByteView salt) {
  return std::to_string(id) + (salt.empty() ? "" : '/' + base::to_hex(salt));
}

base::Result<void> derive_keys(hsm::Token& token, const KeyRegister& keys, Keys& out) {
  std::map<std::uint16_t, base::Secret> record;
  for (const auto& entry : keys.record_keys()) {
    SIGILLO_TRY(auto key, derive_from_store(token, entry.store_version, "sigillo/record/v1",
                                            context_of(entry.id, keys.salt_of(entry.id))));
    record.emplace(entry.id, std::move(key));
  }
  if (record.empty()) return base::Error(hsm::Errc::no_such_key, "no record key");
  out.record_key = record.rbegin()->first;
  out.sealer = std::make_shared<sealed_store::RecordSealer>(std::move(record));
  out.dummy_record = out.sealer->seal(record_key(Table::subject, Id{}), codec::encode(SubjectRecord{}));
  const auto all = keys.keys();
  for (auto entry = all.rbegin(); entry != all.rend(); ++entry) {
    if (entry->label != KeyLabels::store || !entry->usable()) continue;
    SIGILLO_TRY(auto key, derive_from_store(token, entry->version, "sigillo/idempotency/v1"));
    const bool newest = entry->state == KeyState::active;
    out.idempotency.insert(newest ? out.idempotency.begin() : out.idempotency.end(), std::move(key));
  }
  if (out.idempotency.empty()) return base::Error(hsm::Errc::no_such_key, "no active store key");
  return base::ok();
}

}  // namespace

const base::EcPublicKey& Keys::ledger_public() const {
  const auto found = std::ranges::find(published, ledger_kid, &PublicKeyEntry::kid);
  if (found == published.end()) std::abort();  // find_keys gives no set without it
  return found->key;
}

bool KeyRing::await_settled(base::Duration wait, const std::function<bool()>& stopping) const {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait.ms);
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (std::ranges::all_of(older_, [](const auto& one) { return one.expired(); })) return true;
    }
    if (std::chrono::steady_clock::now() >= until || (stopping && stopping())) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

base::Result<base::Secret> derive_from_store(hsm::Token& token, std::uint16_t store_version,
                                             std::string_view label, std::string_view context) {
  SIGILLO_TRY(const auto key, token.find_key({KeyLabels::store, store_version}));
  return hsm::derive(token, key, label, base::view(context), 32);
}

base::Result<Keys> find_keys(hsm::Token& token, const KeyRegister& keys) {
  Keys out;
  SIGILLO_CHECK(find_mac_keys(token, keys, out));
  SIGILLO_CHECK(find_signing_keys(token, keys, out));
  SIGILLO_CHECK(derive_keys(token, keys, out));
  return out;
}

}  // namespace sigillo::appliance
