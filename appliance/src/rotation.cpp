#include "rotation.hpp"

#include <algorithm>

#include <appliance/assembly.hpp>
#include <appliance/key_backup.hpp>
#include <base/log.hpp>
#include <base/pending_file.hpp>

namespace sigillo::appliance {
namespace {

constexpr std::size_t kPage = 500;
constexpr std::size_t kSaltBytes = 16;

void count(KeyCounts& counts, const PinVerifier& verifier) {
  ++counts.verifiers[verifier.key_version];
}

void count(KeyCounts& counts, const SubjectRecord& record) {
  if (record.health_card) count(counts, *record.health_card);
  if (const auto* definitive = std::get_if<Definitive>(&record.state)) count(counts, definitive->verifier);
  if (const auto* provisional = std::get_if<Provisional>(&record.state)) {
    for (const auto* half : {&provisional->first, &provisional->second}) {
      if (*half) count(counts, (*half)->verifier);
    }
  }
}

// A record may go between the scan and this; then there is nothing to count.
base::Result<void> count(const Context& context, const sealed_store::RecordKey& key, KeyCounts& counts) {
  SIGILLO_TRY(const auto sealed, context.store.read(key));
  if (!sealed) return base::ok();
  ++counts.total;
  ++counts.records[sealed_store::RecordSealer::key_of(*sealed)];
  const auto table = static_cast<Table>(key.table);
  if (table == Table::subject) {
    SIGILLO_TRY(const auto record, context.load<SubjectRecord>(table, key.id));
    if (record) count(counts, *record);
  } else if (table == Table::link) {
    SIGILLO_TRY(const auto record, context.load<LinkRecord>(table, key.id));
    if (record) count(counts, record->token);
  } else if (table == Table::idempotency) {
    SIGILLO_TRY(const auto record, context.load<IdempotencyRecord>(table, key.id));
    if (record) counts.kept.push_back(record->at);
  }
  return base::ok();
}

// The register first: a kill before the ring follows is healed by the next start, which reads it.
base::Result<void> put_in_use(KeyWork work, KeyRegister changed) {
  SIGILLO_TRY(auto keys, find_keys(work.token, changed));
  SIGILLO_CHECK(changed.write(work.token));
  work.registered = std::move(changed);
  work.ring.replace(std::move(keys));
  if (!write_register_copy(work.config, work.registered))
    base::log::warn("key-register-copy-not-written", {{"path", work.config.store.path + ".keys"}});
  return base::ok();
}

}  // namespace

std::uint64_t KeyCounts::kept_before(base::Instant when) const {
  const auto before = [when](base::Instant at) { return at <= when; };
  return static_cast<std::uint64_t>(std::ranges::count_if(kept, before));
}

base::Result<KeyEntry> next_key(KeyWork work, const KeyUse& use, base::Instant now) {
  if (!use.rotates)
    return base::Error(Errc::key_state, "the index key names every subject: it does not rotate");
  SIGILLO_TRY(work.registered, KeyRegister::read(work.token));  // a ceremony may have added to it
  const auto* active = work.registered.active(use.label);
  const auto newest = work.registered.newest(use.label);
  const auto* candidate = work.registered.find({use.label, newest});
  const bool waits = candidate != nullptr && candidate->state == KeyState::backed_up &&
                     (active == nullptr || newest > active->version);
  if (waits) return *candidate;
  if (work.config.allow_weak_policy) {
    auto made = make_key(work.token, work.registered, use, now);
    // Left by a kill before it was in the register: nothing was ever done with it.
    if (!made && made.error().is(hsm::Errc::already_exists) && newest > 0) {
      SIGILLO_CHECK(work.token.destroy_key({use.label, static_cast<std::uint16_t>(newest + 1)}));
      made = make_key(work.token, work.registered, use, now);
    }
    if (!made) return made.error();
    SIGILLO_CHECK(work.registered.write(work.token));
    return made;
  }
  return base::Error(Errc::key_state,
                     "no backed-up key waits: make one with `sigillo keys create` and `sigillo keys backup`");
}

base::Result<void> switch_to(KeyWork work, const KeyEntry& next, base::Instant now) {
  auto changed = work.registered;
  changed.activate(next.id(), now);
  return put_in_use(work, std::move(changed));
}

base::Result<RecordKeyEntry> switch_record_key(KeyWork work, base::Instant now) {
  auto changed = work.registered;
  const auto* store = changed.active(KeyLabels::store);
  if (store == nullptr) return base::Error(hsm::Errc::no_such_key, "no active store key");
  const RecordKeyEntry entry{static_cast<std::uint16_t>(changed.newest_record_key() + 1), store->version,
                             KeyState::active, now};
  if (entry.id == 0) return base::Error(Errc::key_state, "65,535 record keys were used up");
  base::Bytes salt(kSaltBytes);
  SIGILLO_CHECK(work.token.random(salt));
  changed.add(entry, std::move(salt));
  changed.activate_record_key(entry.id, now);
  SIGILLO_CHECK(put_in_use(work, std::move(changed)));
  return entry;
}

base::Result<KeyCounts> count_records(const Context& context, const CountProgress& progress,
                                      const Stopping& stopping) {
  KeyCounts counts;
  std::optional<sealed_store::RecordKey> after;
  for (;;) {
    SIGILLO_TRY(const auto page, context.store.scan(after, kPage));
    if (page.empty()) return counts;
    for (const auto& key : page) SIGILLO_CHECK(count(context, key, counts));
    after = page.back();
    if (progress) progress(counts.total);
    if (stopping && stopping()) return base::Error(Errc::key_state, "counting was stopped");
  }
}

base::Result<void> destroy_key(KeyWork work, const hsm::KeyId& id, base::Instant now) {
  auto changed = work.registered;
  const auto* entry = changed.find(id);
  if (entry == nullptr) return base::Error(hsm::Errc::no_such_key, "the register has no such key");
  if (entry->state == KeyState::active)
    return base::Error(Errc::key_state, "the key is active: rotate it first");
  if (entry->state == KeyState::destroyed)
    return base::Error(Errc::key_state, "the key is destroyed already");
  // Out of use first: a kill between the two leaves a key that nothing asks for, and this again ends it.
  changed.set(id, KeyState::destroyed, now);
  SIGILLO_CHECK(put_in_use(work, std::move(changed)));
  const auto gone = work.token.destroy_key(id);
  if (!gone && !gone.error().is(hsm::Errc::no_such_key)) return gone.error();
  return base::ok();
}

base::Result<void> drop_record_key(KeyWork work, std::uint16_t id, base::Instant now) {
  auto changed = work.registered;
  if (id == changed.newest_record_key())
    return base::Error(Errc::key_state, "the record key is active: rotate it first");
  changed.set_record_key(id, KeyState::destroyed, now);
  return put_in_use(work, std::move(changed));
}

bool write_register_copy(const Config& config, const KeyRegister& keys) {
  auto file = base::PendingFile::create(config.store.path + ".keys", true);
  return file && file->write(encode(keys)) && file->finish();
}

}  // namespace sigillo::appliance
