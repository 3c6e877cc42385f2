#include "key_objects.hpp"

#include <algorithm>
#include <array>

#include <base/crypto.hpp>

#include "ec_public.hpp"

namespace sigillo::hsm {
namespace {

constexpr std::string_view kPrefix = "sigillo.";
constexpr std::size_t kHmacKeyBytes = 32;

base::Bytes id_bytes(std::uint16_t version) {
  base::Bytes out;
  base::append_be(out, version);
  return out;
}

Template pattern_of(const KeyId& id, CK_OBJECT_CLASS of_class) {
  Template pattern;
  pattern.number(CKA_CLASS, of_class)
      .flag(CKA_TOKEN, true)
      .bytes(CKA_LABEL, base::view(id.label))
      .bytes(CKA_ID, id_bytes(id.version));
  return pattern;
}

void name(Template& attributes, const KeyId& id) {
  attributes.bytes(CKA_LABEL, base::view(id.label)).bytes(CKA_ID, id_bytes(id.version));
}

// No value of the key leaves the token, and it serves one use.
void close(Template& attributes, bool token, Closing closing) {
  attributes.flag(CKA_TOKEN, token)
      .flag(CKA_PRIVATE, true)
      .flag(CKA_SENSITIVE, true)
      .flag(CKA_EXTRACTABLE, closing == Closing::open);
  attributes.flag(CKA_SIGN, true).flag(CKA_DERIVE, false);
}

base::Result<std::optional<KeyType>> type_of(Lease& lease, CK_OBJECT_HANDLE object) {
  using Found = std::optional<KeyType>;
  SIGILLO_TRY(const auto of_class, read_number(lease, object, CKA_CLASS));
  SIGILLO_TRY(const auto key_type, read_number(lease, object, CKA_KEY_TYPE));
  if (of_class == CKO_SECRET_KEY && (key_type == CKK_GENERIC_SECRET || key_type == CKK_SHA256_HMAC)) {
    return Found(KeyType::hmac_sha256);
  }
  if (of_class != CKO_PRIVATE_KEY || key_type != CKK_EC) return Found();
  SIGILLO_TRY(const auto curve, read_attribute(lease, object, CKA_EC_PARAMS));
  for (const KeyType type : {KeyType::ec_p256, KeyType::ec_p384}) {
    if (curve && std::ranges::equal(*curve, curve_oid(type))) return Found(type);
  }
  return Found();
}

// A key that can be had out of the token, or made to do a second thing, is not the key that the design speaks
// of:
// 1. a "verifier" key is created extractable by hand, or unwrapped from a backup without its attributes;
// 2. everything works; 3. years later one login with the PIN exports it, or C_Decrypt with it opens what it
// sealed.
base::Result<KeyType> checked_type(Lease& lease, CK_OBJECT_HANDLE object, Closing closing) {
  struct Rule {
    CK_ATTRIBUTE_TYPE type;
    bool wanted;
    const char* otherwise;
  };
  constexpr Rule kRules[] = {
      {CKA_PRIVATE, true, "a key that is visible without login"},
      {CKA_SENSITIVE, true, "a key that is not sensitive"},
      {CKA_EXTRACTABLE, false, "a key that is extractable"},
      {CKA_SIGN, true, "a key that may not sign"},
      {CKA_ENCRYPT, false, "a signing key that may also encrypt"},
      {CKA_DECRYPT, false, "a signing key that may also decrypt"},
      {CKA_WRAP, false, "a signing key that may also wrap"},
      {CKA_UNWRAP, false, "a signing key that may also unwrap"},
      {CKA_DERIVE, false, "a signing key that may also derive"},
      {CKA_VERIFY, false, "a MAC key that may also verify"},
      {CKA_SIGN_RECOVER, false, "a signing key that may also sign with recovery"},
  };
  for (const Rule& rule : kRules) {
    SIGILLO_TRY(const auto flag, read_flag(lease, object, rule.type));
    const bool wanted = rule.type == CKA_EXTRACTABLE ? closing == Closing::open : rule.wanted;
    if (flag && *flag != wanted) return base::Error(Errc::bad_attributes, rule.otherwise);
  }
  SIGILLO_TRY(const auto type, type_of(lease, object));
  if (!type) return base::Error(Errc::bad_attributes, "a key of a type or curve that is not ours");
  if (*type == KeyType::hmac_sha256) {
    SIGILLO_TRY(const auto size, read_number(lease, object, CKA_VALUE_LEN));
    // SoftHSM2 says 0 of a key that was unwrapped; it does not sign with one that is shorter than the digest.
    if (size && *size != 0 && *size < kHmacKeyBytes)
      return base::Error(Errc::bad_attributes, "a MAC key shorter than 32 bytes");
  }
  return *type;
}

base::Result<KeyObject> find(Lease& lease, const KeyId& id, Closing closing) {
  std::vector<CK_OBJECT_HANDLE> found;
  for (const CK_OBJECT_CLASS of_class : {CKO_SECRET_KEY, CKO_PRIVATE_KEY}) {
    Template pattern = pattern_of(id, of_class);
    SIGILLO_TRY(const auto some, find_objects(lease, pattern));
    found.insert(found.end(), some.begin(), some.end());
  }
  if (found.empty()) return base::Error(Errc::no_such_key, "no key of this label and version");
  // Which of two would be used is chance; the second may have been put there to be chosen.
  if (found.size() > 1) return base::Error(Errc::bad_attributes, "two keys of one label and version");
  SIGILLO_TRY(const KeyType type, checked_type(lease, found.front(), closing));
  return KeyObject{found.front(), type};
}

void mac_attributes(Template& attributes, const KeyId& id, Closing closing) {
  attributes.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
  close(attributes, true, closing);
  for (const auto use : {CKA_VERIFY, CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP, CKA_UNWRAP})
    attributes.flag(use, false);
  name(attributes, id);
}

void private_attributes(Template& attributes, const KeyId* id, Closing closing) {
  attributes.number(CKA_CLASS, CKO_PRIVATE_KEY).number(CKA_KEY_TYPE, CKK_EC);
  close(attributes, id != nullptr, closing);
  attributes.flag(CKA_DECRYPT, false).flag(CKA_UNWRAP, false).flag(CKA_SIGN_RECOVER, false);
  if (id != nullptr) name(attributes, *id);
}

}  // namespace

base::Result<KeyObject> find_key_object(Lease& lease, const KeyId& id) {
  return find(lease, id, Closing::closed);
}

base::Result<KeyObject> find_open_key_object(Lease& lease, const KeyId& id) {
  return find(lease, id, Closing::open);
}

Template closed_key_template(const KeyId& id, KeyType type) {
  Template attributes;
  if (type == KeyType::hmac_sha256)
    mac_attributes(attributes, id, Closing::closed);
  else
    private_attributes(attributes, &id, Closing::closed);
  return attributes;
}

Template public_key_template(const KeyId& id, KeyType type, base::ByteView point) {
  // CKA_EC_POINT is the DER OCTET STRING; the point of either curve is shorter than 128 bytes.
  base::Bytes der{0x04, static_cast<base::Byte>(point.size())};
  base::append(der, point);
  Template attributes;
  attributes.number(CKA_CLASS, CKO_PUBLIC_KEY).number(CKA_KEY_TYPE, CKK_EC).flag(CKA_TOKEN, true);
  attributes.flag(CKA_VERIFY, true).bytes(CKA_EC_PARAMS, curve_oid(type)).bytes(CKA_EC_POINT, der);
  name(attributes, id);
  return attributes;
}

base::Result<std::vector<KeyInfo>> list_key_objects(Lease& lease) {
  std::vector<KeyInfo> out;
  for (const CK_OBJECT_CLASS of_class : {CKO_SECRET_KEY, CKO_PRIVATE_KEY}) {
    Template pattern;
    pattern.number(CKA_CLASS, of_class).flag(CKA_TOKEN, true);
    SIGILLO_TRY(const auto found, find_objects(lease, pattern));
    for (const auto object : found) {
      SIGILLO_TRY(const auto label, read_attribute(lease, object, CKA_LABEL));
      SIGILLO_TRY(const auto id, read_attribute(lease, object, CKA_ID));
      if (!label || !id || id->size() != 2 || !base::text(*label).starts_with(kPrefix)) continue;
      SIGILLO_TRY(const auto type, type_of(lease, object));
      if (type) out.push_back({{std::string(base::text(*label)), base::read_be<std::uint16_t>(*id)}, *type});
    }
  }
  std::ranges::sort(out, {}, &KeyInfo::id);
  return out;
}

base::Result<std::pair<CK_OBJECT_HANDLE, CK_OBJECT_HANDLE>> generate_pair(Lease& lease, const KeyId* id,
                                                                          KeyType type, Closing closing) {
  Template open;
  open.number(CKA_CLASS, CKO_PUBLIC_KEY).number(CKA_KEY_TYPE, CKK_EC).flag(CKA_TOKEN, id != nullptr);
  open.flag(CKA_VERIFY, true).bytes(CKA_EC_PARAMS, curve_oid(type));
  Template closed;
  private_attributes(closed, id, closing);
  if (id != nullptr) name(open, *id);
  CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  std::pair<CK_OBJECT_HANDLE, CK_OBJECT_HANDLE> out;
  SIGILLO_CHECK(lease.check(Function::generate, lease.module()->C_GenerateKeyPair(
                                                    lease.session(), &mechanism, open.data(), open.size(),
                                                    closed.data(), closed.size(), &out.first, &out.second)));
  return out;
}

base::Result<void> generate_key_objects(Lease& lease, const KeyId& id, KeyType type, Closing closing) {
  for (const CK_OBJECT_CLASS of_class : {CKO_SECRET_KEY, CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
    Template pattern = pattern_of(id, of_class);
    SIGILLO_TRY(const auto found, find_objects(lease, pattern));
    if (!found.empty()) return base::Error(Errc::already_exists, "a key of this label and version is there");
  }
  if (type != KeyType::hmac_sha256) {
    SIGILLO_CHECK(generate_pair(lease, &id, type, closing));
    return base::ok();
  }
  Template attributes;
  attributes.number(CKA_VALUE_LEN, kHmacKeyBytes);
  mac_attributes(attributes, id, closing);
  CK_MECHANISM mechanism{CKM_GENERIC_SECRET_KEY_GEN, nullptr, 0};
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  return lease.check(
      Function::generate,
      lease.module()->C_GenerateKey(lease.session(), &mechanism, attributes.data(), attributes.size(), &key));
}

base::Result<void> destroy_key_objects(Lease& lease, const KeyId& id) {
  bool any = false;
  for (const CK_OBJECT_CLASS of_class : {CKO_SECRET_KEY, CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
    Template pattern = pattern_of(id, of_class);
    SIGILLO_TRY(const auto found, find_objects(lease, pattern));
    for (const auto object : found) {
      SIGILLO_CHECK(destroy_object(lease, object));
      any = true;
    }
  }
  if (!any) return base::Error(Errc::no_such_key, "no key of this label and version");
  return base::ok();
}

base::Result<void> sign_with(Lease& lease, CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE mechanism_type,
                             base::ByteView input, std::span<base::Byte> out) {
  const Module& module = lease.module();
  CK_MECHANISM mechanism{mechanism_type, nullptr, 0};
  SIGILLO_CHECK(lease.check(Function::sign, module->C_SignInit(lease.session(), &mechanism, key)));
  CK_ULONG size = out.size();
  base::Byte none = 0;
  auto* data = input.empty() ? &none : const_cast<base::Byte*>(input.data());
  SIGILLO_CHECK(
      lease.check(Function::sign, module->C_Sign(lease.session(), data, input.size(), out.data(), &size)));
  if (size != out.size())
    return base::Error(Errc::unavailable, "the module gave a signature of another length", size);
  return base::ok();
}

base::Result<base::Bytes> ecdsa(Lease& lease, const KeyObject& key, base::ByteView digest) {
  base::Bytes signature(2 * coordinate_bytes(key.type));
  SIGILLO_CHECK(sign_with(lease, key.handle, CKM_ECDSA, digest, signature));
  return signature;
}

// CKA_EC_POINT is the DER OCTET STRING of the point (PKCS#11 2.40, 2.3.3); some modules give the point bare.
base::Result<base::Bytes> read_point(Lease& lease, CK_OBJECT_HANDLE object, KeyType type) {
  SIGILLO_TRY(auto raw, read_attribute(lease, object, CKA_EC_POINT));
  if (!raw) return base::Error(Errc::bad_attributes, "the module does not show the public key");
  base::Bytes point = std::move(*raw);
  const std::size_t size = 2 * coordinate_bytes(type) + 1;
  if (point.size() == size + 2 && point[0] == 0x04 && point[1] == size)
    point.erase(point.begin(), point.begin() + 2);
  if (point.size() != size || point[0] != 0x04) {
    return base::Error(Errc::bad_attributes, "a public key in a form that is not ours");
  }
  return point;
}

// The public object is not under the PIN on every token, so it is believed only when the private key proves
// it:
// 1. someone who can write the token's files or its public objects puts a public key of his own under our
// label;
// 2. the ceremony certifies it; 3. he holds a certificate of the appliance with a key that is his.
base::Result<base::Bytes> read_public_key(Lease& lease, const KeyId& id, const KeyObject& key) {
  if (coordinate_bytes(key.type) == 0) return base::Error(Errc::caller_fault, "a MAC key has no public half");
  Template pattern = pattern_of(id, CKO_PUBLIC_KEY);
  SIGILLO_TRY(const auto found, find_objects(lease, pattern));
  SIGILLO_TRY(auto point, read_point(lease, found.size() == 1 ? found.front() : key.handle, key.type));
  base::Bytes challenge(coordinate_bytes(key.type));
  base::random_bytes(challenge);
  SIGILLO_TRY(const auto signature, ecdsa(lease, key, challenge));
  if (!verify(key.type, point, challenge, signature)) {
    return base::Error(Errc::bad_attributes, "the public key is not that of the private key");
  }
  return point;
}

}  // namespace sigillo::hsm
