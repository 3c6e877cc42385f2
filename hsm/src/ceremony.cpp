// The ceremony's half of Pkcs11Token: open keys, wrapping, unwrapping. See ceremony_token.hpp.
#include <algorithm>

#include <hsm/ceremony_token.hpp>

#include "ec_public.hpp"
#include "pkcs11_token_impl.hpp"

namespace sigillo::hsm {
namespace {

// The wrapping key in the token, for as long as one call takes. As a session object it cannot outlive the
// session, whatever happens.
base::Result<CK_OBJECT_HANDLE> import_wrapping_key(Lease& lease, const base::Secret& key) {
  if (key.size() != kWrappingKeyBytes) return base::Error(Errc::caller_fault, "a wrapping key has 32 bytes");
  Template attributes;
  attributes.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES).flag(CKA_TOKEN, false);
  attributes.flag(CKA_PRIVATE, true).flag(CKA_SENSITIVE, true).flag(CKA_EXTRACTABLE, false);
  attributes.flag(CKA_WRAP, true).flag(CKA_UNWRAP, true).flag(CKA_ENCRYPT, false).flag(CKA_DECRYPT, false);
  attributes.secret(CKA_VALUE, key);
  return create_object(lease, lease.session(), attributes);
}

base::Result<base::Bytes> wrap(Lease& lease, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE key) {
  CK_MECHANISM mechanism{CKM_AES_KEY_WRAP_PAD, nullptr, 0};
  base::Bytes out(512);  // a P-384 PrivateKeyInfo takes under 200
  CK_ULONG size = out.size();
  SIGILLO_CHECK(lease.check(Function::wrap, lease.module()->C_WrapKey(lease.session(), &mechanism, wrapping,
                                                                      key, out.data(), &size)));
  if (size > out.size())
    return base::Error(Errc::caller_fault, "the module wrapped more than there was room");
  out.resize(size);
  return out;
}

// The public half and the check value of an open key, straight from its object: no KeyRef is ever made of it.
base::Result<WrappedKey> describe(Lease& lease, const KeyId& id, const KeyObject& open) {
  WrappedKey out{.id = id, .type = open.type, .wrapped = {}, .point = {}, .check_value = {}};
  base::Digest mac;
  if (open.type == KeyType::hmac_sha256) {
    SIGILLO_CHECK(sign_with(lease, open.handle, CKM_SHA256_HMAC, base::view(kCheckText), mac));
  } else {
    SIGILLO_TRY(out.point, read_public_key(lease, open_name(id), open));
    mac = base::sha256({out.point});
  }
  out.check_value = check_value_of(mac);
  return out;
}

// One whose attributes are not ours has the name as well.
base::Result<void> not_there(const base::Result<KeyObject>& found) {
  if (found || found.error().is(Errc::bad_attributes))
    return base::Error(Errc::already_exists, "a key of this label and version is there");
  return found.error().is(Errc::no_such_key) ? base::ok() : base::Result<void>(found.error());
}

template <class Work>
auto under_wrapping_key(Lease& lease, const base::Secret& key, Work&& work)
    -> decltype(work(CK_OBJECT_HANDLE{})) {
  SIGILLO_TRY(const auto wrapping, import_wrapping_key(lease, key));
  auto done = work(wrapping);
  const auto gone = destroy_object(lease, wrapping);
  if (done && !gone) return gone.error();
  return done;
}

base::Result<void> unwrap(Lease& lease, CK_OBJECT_HANDLE wrapping, const WrappedKey& key) {
  Template attributes = closed_key_template(key.id, key.type);
  CK_MECHANISM mechanism{CKM_AES_KEY_WRAP_PAD, nullptr, 0};
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  SIGILLO_CHECK(
      lease.check(Function::unwrap,
                  lease.module()->C_UnwrapKey(lease.session(), &mechanism, wrapping,
                                              const_cast<base::Byte*>(key.wrapped.data()), key.wrapped.size(),
                                              attributes.data(), attributes.size(), &object)));
  if (key.type == KeyType::hmac_sha256) return base::ok();
  Template open = public_key_template(key.id, key.type, key.point);
  SIGILLO_TRY(const auto made, create_object(lease, lease.session(), open));
  static_cast<void>(made);
  return base::ok();
}

}  // namespace

base::Bytes check_value_of(const base::Digest& digest) {
  return {digest.begin(), digest.begin() + kCheckValueBytes};
}

base::Result<base::Bytes> check_value(Token& token, KeyRef key, KeyType type) {
  if (type == KeyType::hmac_sha256) {
    SIGILLO_TRY(const auto mac, token.hmac(key, base::view(kCheckText)));
    return check_value_of(mac);
  }
  SIGILLO_TRY(const auto point, token.public_key(key));
  return check_value_of(base::sha256({point}));
}

base::Result<void> Pkcs11Token::generate_open_key(const KeyId& id, KeyType type) {
  if (!id.label.starts_with("sigillo.") || id.version == 0)
    return base::Error(Errc::caller_fault,
                       "a key's label starts with \"sigillo.\", its version is 1 or more");
  const auto work = [&](Lease& lease) -> base::Result<void> {
    SIGILLO_CHECK(not_there(find_key_object(lease, id)));
    return generate_key_objects(lease, open_name(id), type, Closing::open);
  };
  return impl_->change_objects(work);
}

base::Result<WrappedKey> Pkcs11Token::wrap_open_key(const KeyId& id, const base::Secret& wrapping_key) {
  const auto work = [&](Lease& lease) -> base::Result<WrappedKey> {
    SIGILLO_TRY(const auto open, find_open_key_object(lease, open_name(id)));
    SIGILLO_TRY(auto out, describe(lease, id, open));
    const auto wrap_it = [&](CK_OBJECT_HANDLE wrapping) { return wrap(lease, wrapping, open.handle); };
    SIGILLO_TRY(out.wrapped, under_wrapping_key(lease, wrapping_key, wrap_it));
    return out;
  };
  return impl_->with_objects(Retry::idempotent, work);
}

// Attack: (1) exchange two keys of a backup, or put in one of one's own under the same wrapping key's former
// custodian, (2) have it restored, (3) everything works, under a key that is known. What comes out must have
// the check value that was read from the original, and an EC key must prove its public half.
base::Result<KeyRef> Pkcs11Token::unwrap_key(const WrappedKey& key, const base::Secret& wrapping_key) {
  const auto work = [&](Lease& lease) -> base::Result<void> {
    SIGILLO_CHECK(not_there(find_key_object(lease, key.id)));
    const auto unwrap_it = [&](CK_OBJECT_HANDLE wrapping) { return unwrap(lease, wrapping, key); };
    return under_wrapping_key(lease, wrapping_key, unwrap_it);
  };
  SIGILLO_CHECK(impl_->change_objects(work));
  auto ref = find_key(key.id);
  auto value = ref ? check_value(*this, *ref, key.type) : base::Result<base::Bytes>(ref.error());
  if (value && *value == key.check_value) return ref;
  const auto gone = destroy_key(key.id);
  const bool left = !gone && !gone.error().is(Errc::no_such_key);
  if (!value && left)
    return base::Error(Errc::unavailable,
                       "what was unwrapped could not be checked, and may be in the token: it could not be "
                       "destroyed",
                       value.error().raw());
  if (left)
    return base::Error(
        Errc::bad_attributes,
        "what was unwrapped is not the key of the backup, and is still in the token: it could not "
        "be destroyed",
        gone.error().raw());
  if (!value) return value.error();
  return base::Error(Errc::bad_attributes, "what was unwrapped has another check value");
}

base::Result<void> Pkcs11Token::destroy_open_key(const KeyId& id) {
  const auto work = [&](Lease& lease) { return destroy_key_objects(lease, open_name(id)); };
  return impl_->change_objects(work);
}

}  // namespace sigillo::hsm
