// KeyTable: what a KeyRef points to. A row is kept for the life of the process; the object handle in it is of
// one session generation and is looked up anew, attributes and all, at the first use in another. HMAC keys
// are copied into session objects: SoftHSM2 reads a token object's file at every use (half the speed). Thread
// rule: any thread, under a lease. Owned by Pkcs11Token.
#pragma once

#include <shared_mutex>

#include "key_objects.hpp"

namespace sigillo::hsm {

class KeyTable {
 public:
  // The row of a key just found on the token: as it is where it was found before in this generation, else
  // made ready for use. The caller holds `objects`.
  base::Result<KeyRef> remember(Lease& lease, const KeyId& id, const KeyObject& found);
  // The key was destroyed: its copy goes too, and the next use finds out. The caller holds `objects`.
  void forget(Lease& lease, const KeyId& id);

  // The handle to use in this lease. `objects` is locked only for a look-up.
  base::Result<KeyObject> resolve(Lease& lease, KeyRef key, std::mutex& objects);
  base::Result<KeyId> id_of(KeyRef key) const;

 private:
  struct Row {
    KeyId id;
    std::uint64_t generation = 0;
    CK_OBJECT_HANDLE on_token = CK_INVALID_HANDLE;
    KeyObject key{};  // the session's copy, or the same
  };
  mutable std::shared_mutex mutex_;
  std::vector<Row> rows_ = std::vector<Row>(1);  // row 0 is that of a KeyRef never set
};

}  // namespace sigillo::hsm
