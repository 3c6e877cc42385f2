#include "key_table.hpp"

#include <algorithm>

namespace sigillo::hsm {
namespace {

base::Error unknown() {
  return {Errc::no_such_key, "a key reference that was never given"};
}

// HMAC keys go into the session, where the token allows that (CKA_COPYABLE), and others stay where they are.
base::Result<KeyObject> for_use(Lease& lease, const KeyObject& key) {
  if (key.type != KeyType::hmac_sha256) return key;
  Template attributes;
  attributes.flag(CKA_TOKEN, false);
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  // In the login's session, so that it lives as long as the generation does.
  const CK_RV rv = lease.module()->C_CopyObject(lease.login_session(), key.handle, attributes.data(),
                                                attributes.size(), &copy);
  switch (classify(Function::copy, rv)) {
    case RvClass::ok:
      return KeyObject{copy, key.type};
    case RvClass::caller_fault:
    case RvClass::busy:
      return key;  // not copyable, or no room: slower, and just as good
    case RvClass::suspect:
    case RvClass::stale_handle:
    case RvClass::session_lost:
    case RvClass::device_lost:
    case RvClass::credential:
      break;
  }
  SIGILLO_CHECK(lease.check(Function::copy, rv));
  return key;
}

}  // namespace

base::Result<KeyRef> KeyTable::remember(Lease& lease, const KeyId& id, const KeyObject& found) {
  const auto ref = [this](auto row) { return KeyRef(static_cast<std::uint32_t>(row - rows_.begin())); };
  {
    const std::shared_lock lock(mutex_);
    const auto row = std::ranges::find(rows_.begin() + 1, rows_.end(), id, &Row::id);
    if (row != rows_.end() && row->generation == lease.generation() && row->on_token == found.handle)
      return ref(row);
  }
  SIGILLO_TRY(const KeyObject usable, for_use(lease, found));
  const std::lock_guard lock(mutex_);
  auto row = std::ranges::find(rows_.begin() + 1, rows_.end(), id, &Row::id);
  if (row == rows_.end()) row = rows_.insert(rows_.end(), Row{id});
  row->generation = lease.generation();
  row->on_token = found.handle;
  row->key = usable;
  return ref(row);
}

void KeyTable::forget(Lease& lease, const KeyId& id) {
  const std::lock_guard lock(mutex_);
  for (Row& row : rows_) {
    if (row.id != id || row.generation == 0) continue;
    // Its answer is of no use: the copy goes with the session at the latest.
    if (row.generation == lease.generation() && row.key.handle != row.on_token) {
      lease.module()->C_DestroyObject(lease.session(), row.key.handle);
    }
    row.generation = 0;
  }
}

base::Result<KeyId> KeyTable::id_of(KeyRef key) const {
  const std::shared_lock lock(mutex_);
  if (key.slot() == 0 || key.slot() >= rows_.size()) return unknown();
  return rows_[key.slot()].id;
}

base::Result<KeyObject> KeyTable::resolve(Lease& lease, KeyRef key, std::mutex& objects) {
  const auto known = [&]() -> std::optional<KeyObject> {
    const std::shared_lock lock(mutex_);
    if (key.slot() == 0 || key.slot() >= rows_.size()) return std::nullopt;
    const Row& row = rows_[key.slot()];
    return row.generation == lease.generation() ? std::optional(row.key) : std::nullopt;
  };
  if (const auto found = known()) return *found;
  SIGILLO_TRY(const KeyId id, id_of(key));
  const std::lock_guard one_at_a_time(objects);
  if (const auto found = known()) return *found;  // another caller looked it up while this one waited
  SIGILLO_TRY(const KeyObject object, find_key_object(lease, id));
  SIGILLO_CHECK(remember(lease, id, object));
  if (const auto found = known()) return *found;
  return unknown();
}

}  // namespace sigillo::hsm
