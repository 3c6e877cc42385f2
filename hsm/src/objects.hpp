// Objects of a token: templates that own their values, searches that are believed, attributes that may be
// absent. Thread rule: as the lease they are given. Searches, creation and destruction of objects are made
// one at a time (SoftHSM2 2.6.1 races C_FindObjects with creation, its issue 576): Pkcs11Token holds a lock.
#pragma once

#include <deque>
#include <mutex>

#include "session_pool.hpp"

namespace sigillo::hsm {

class Template {
 public:
  Template& flag(CK_ATTRIBUTE_TYPE type, bool value);
  Template& number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
  Template& bytes(CK_ATTRIBUTE_TYPE type, base::ByteView value);
  // Not copied: the secret outlives the template.
  Template& secret(CK_ATTRIBUTE_TYPE type, const base::Secret& value);
  CK_ATTRIBUTE* data() { return attributes_.data(); }
  CK_ULONG size() const { return static_cast<CK_ULONG>(attributes_.size()); }

 private:
  std::deque<base::Bytes> values_;  // a deque: what is in it does not move
  std::vector<CK_ATTRIBUTE> attributes_;
};

// All objects that match. "None" is believed only where the session is the user's: to one without the login a
// token looks empty, and an empty token must not be mistaken for a lost login.
base::Result<std::vector<CK_OBJECT_HANDLE>> find_objects(Lease& lease, Template& pattern);

// As lease.check, but for one object that is gone the login is not made anew, which would end every other
// handle: Errc::no_such_key, and no trouble. SoftHSM2 says the same of a login that is gone, so that is asked
// first. Only for calls that leave no operation behind in the session.
base::Result<void> check_object(Lease& lease, Function function, CK_RV rv);

// Nothing where the module does not know the attribute or does not show it. One call where the value has at
// most `usual` bytes, else one more to ask for its length.
base::Result<std::optional<base::Bytes>> read_attribute(Lease& lease, CK_OBJECT_HANDLE object,
                                                        CK_ATTRIBUTE_TYPE type, std::size_t usual = 0);
base::Result<std::optional<bool>> read_flag(Lease& lease, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
base::Result<std::optional<CK_ULONG>> read_number(Lease& lease, CK_OBJECT_HANDLE object,
                                                  CK_ATTRIBUTE_TYPE type);

base::Result<CK_OBJECT_HANDLE> create_object(Lease& lease, CK_SESSION_HANDLE session, Template& attributes);
base::Result<void> destroy_object(Lease& lease, CK_OBJECT_HANDLE object);

}  // namespace sigillo::hsm
