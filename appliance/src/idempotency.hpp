// Idempotency-Key: what was answered to a key is kept for 24 hours, per channel; an answer that held a secret
// is opened for ten minutes only. The fingerprint of the request is keyed; the stored answer is sealed under
// a key that only the same request gives again. Attack it stops: (1) steal the database and the store's key,
// (2) read new PINs out of kept answers. Thread rule: Kept's functions are pure; InFlight from any thread.
#pragma once

#include <algorithm>
#include <mutex>
#include <set>
#include <vector>

#include <appliance/records.hpp>
#include <appliance/service.hpp>

namespace sigillo::appliance::idempotency {

inline constexpr base::Duration kKept = base::hours(24);
inline constexpr base::Duration kSecretKept = base::minutes(10);

Id record_id(const base::Secret& key, const std::string& channel, const Idempotency& request);
// Under each of the keys.
std::vector<Id> record_ids(const std::vector<base::Secret>& keys, const std::string& channel,
                           const Idempotency& request);
IdempotencyRecord keep(const base::Secret& key, const Id& id, const Idempotency& request,
                       const Rendered& answer, bool secret, base::Instant now);
// Nothing: the record is past its time, the key is free again.
std::optional<std::variant<Refusal, Rendered>> replay(const base::Secret& key, const Id& id,
                                                      const Idempotency& request,
                                                      const IdempotencyRecord& record, base::Instant now);

// The keys whose first request is still running.
class InFlight {
 public:
  // All of them, or none where one is held.
  bool enter(const std::vector<Id>& ids) {
    const std::lock_guard lock(mutex_);
    if (std::ranges::any_of(ids, [this](const Id& id) { return ids_.contains(id); })) return false;
    ids_.insert(ids.begin(), ids.end());
    return true;
  }
  void leave(const std::vector<Id>& ids) {
    const std::lock_guard lock(mutex_);
    for (const auto& id : ids) ids_.erase(id);
  }

 private:
  std::mutex mutex_;
  std::set<Id> ids_;
};

// The key of a request whose first run is going on; freed however the run ends. It is held by its ids under
// every store key there is: a repeat that comes after a rotation of the store key has another newest id, but
// one in common with a first that began before it.
class KeyHeld {
 public:
  KeyHeld(InFlight& keys, std::vector<Id> ids) : keys_(keys), ids_(std::move(ids)), held_(keys.enter(ids_)) {}
  ~KeyHeld() {
    if (held_) keys_.leave(ids_);
  }
  KeyHeld(const KeyHeld&) = delete;
  KeyHeld& operator=(const KeyHeld&) = delete;
  bool held() const { return held_; }

 private:
  InFlight& keys_;
  std::vector<Id> ids_;
  bool held_;
};

}  // namespace sigillo::appliance::idempotency
