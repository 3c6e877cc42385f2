#include "key_uses.hpp"

#include <base/log.hpp>

namespace sigillo::appliance {
namespace {

constexpr std::uint64_t kSmallBlock = 256;  // where the room that is left is the officers'

Id record_id(std::uint16_t key) {
  Id id{};
  id[0] = static_cast<base::Byte>(key >> 8);
  id[1] = static_cast<base::Byte>(key & 0xff);
  return id;
}

std::uint64_t block_at(std::uint64_t uses) {
  return uses < kUsesStop ? kUsesBlock : kSmallBlock;
}

}  // namespace

sealed_store::Put KeyUses::put(std::uint64_t reserved) {
  reserved_ = reserved;
  return context_.put(Table::key_uses, record_id(key_), KeyUsesRecord{reserved});
}

base::Result<void> KeyUses::begin(sealed_store::Changes& start) {
  const std::lock_guard lock(mutex_);
  const auto keys = context_.keys();
  key_ = keys->record_key;
  SIGILLO_TRY(const auto kept, context_.load<KeyUsesRecord>(Table::key_uses, record_id(key_)));
  // None of a store that was just founded, or of a key whose first reservation, a second after it was made, a
  // kill forestalled: a block is more than either seals.
  keys->sealer->count_from(kept ? kept->reserved : kUsesBlock);
  const auto uses = keys->sealer->uses();
  start.puts.push_back(put(uses + block_at(uses)));
  tell(uses);
  return base::ok();
}

void KeyUses::end(sealed_store::Changes& stop) {
  const std::lock_guard lock(mutex_);
  const auto keys = context_.keys();
  if (keys->record_key != key_) return;  // the new key's record is what keep() would have made of it
  constexpr std::uint64_t kOfThisCommit = 16;
  stop.puts.push_back(put(keys->sealer->uses() + kOfThisCommit));
}

void KeyUses::keep() {
  const std::lock_guard lock(mutex_);
  const auto keys = context_.keys();
  if (keys->record_key != key_) {
    key_ = keys->record_key;
    reserved_ = told_ = 0;
  }
  const auto uses = keys->sealer->uses();
  tell(uses);
  const auto block = block_at(uses);
  if (uses + block / 2 <= reserved_) return;
  const auto before = reserved_;
  const auto committed = base::sync_wait(context_.store.commit({.puts = {put(uses + block)}}));
  if (committed) return;
  reserved_ = before;
  base::log::error("key-uses-not-kept", committed.error());
}

base::Result<std::uint64_t> KeyUses::of(std::uint16_t record_key) const {
  SIGILLO_TRY(const auto kept, context_.load<KeyUsesRecord>(Table::key_uses, record_id(record_key)));
  return kept ? kept->reserved : 0;
}

void KeyUses::tell(std::uint64_t uses) {
  const auto line = uses >= kUsesStop ? kUsesStop : uses >= kUsesWarn ? kUsesWarn : 0;
  if (line <= told_) return;
  told_ = line;
  base::log::warn(line == kUsesStop ? kRecordKeyUsedUp : "record-key-uses",
                  {{"key", key_}, {"uses", uses}, {"advice", "sigillo keys rotate record"}});
}

}  // namespace sigillo::appliance
