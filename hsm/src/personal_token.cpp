#include <hsm/personal_token.hpp>

#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "ec_public.hpp"
#include "module.hpp"
#include "objects.hpp"

namespace sigillo::hsm {
namespace {

constexpr std::size_t kDigest = 32, kSignature = 64, kPoint = 65;
constexpr std::size_t kAttributeMax = 64 * 1024;  // a certificate is the largest thing that is read

struct Free {
  void operator()(X509* it) const { X509_free(it); }
};

base::Result<void> checked(Function function, CK_RV rv) {
  if (classify(function, rv) == RvClass::ok) return base::ok();
  return to_error(function, rv);
}

bool matches(const TokenUri& uri, const CK_TOKEN_INFO& token) {
  const auto same = [](const std::string& wanted, const std::string& found) {
    return wanted.empty() || wanted == found;
  };
  return (token.flags & CKF_TOKEN_INITIALIZED) != 0 && same(uri.token, trimmed(token.label)) &&
         same(uri.serial, trimmed(token.serialNumber)) &&
         same(uri.manufacturer, trimmed(token.manufacturerID)) && same(uri.model, trimmed(token.model));
}

base::Result<CK_SLOT_ID> slot_of(const Module& module, const TokenUri& uri) {
  SIGILLO_TRY(const auto slots, slots_with_token(module));
  std::optional<CK_SLOT_ID> found;
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO token{};
    if (module->C_GetTokenInfo(slot, &token) != CKR_OK || !matches(uri, token)) continue;
    if (found)
      return base::Error(Errc::no_such_token, "more than one token is named so: add serial= to the URI");
    found = slot;
  }
  if (!found) return base::Error(Errc::no_such_token, "no such token is there: is it put in?");
  return *found;
}

// A point as CKA_EC_POINT has it: in a DER OCTET STRING, or bare.
std::optional<base::ByteArray<kPoint>> point_of(base::ByteView raw) {
  if (raw.size() == kPoint + 2 && raw[0] == 0x04 && raw[1] == kPoint) raw = raw.subspan(2);
  if (raw.size() != kPoint || raw[0] != 0x04) return std::nullopt;
  base::ByteArray<kPoint> point{};
  std::ranges::copy(raw, point.begin());
  return point;
}

std::optional<base::ByteArray<kPoint>> point_of_certificate(const base::Bytes& der) {
  const unsigned char* at = der.data();
  const std::unique_ptr<X509, Free> certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  const ASN1_BIT_STRING* key = certificate ? X509_get0_pubkey_bitstr(certificate.get()) : nullptr;
  if (key == nullptr) return std::nullopt;
  return point_of({key->data, static_cast<std::size_t>(key->length)});
}

}  // namespace

class PersonalToken::Impl {
 public:
  Impl(TokenUri named, std::unique_ptr<Module> loaded) : uri(std::move(named)), module(std::move(loaded)) {}
  ~Impl() {
    if (session != CK_INVALID_HANDLE) (*module)->C_CloseSession(session);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  base::Result<std::vector<CK_OBJECT_HANDLE>> find(CK_OBJECT_CLASS of_class,
                                                   const base::Bytes* id = nullptr) {
    Template pattern;
    pattern.number(CKA_CLASS, of_class);
    if (id != nullptr) {
      pattern.bytes(CKA_ID, *id);
    } else {
      if (!uri.object.empty()) pattern.bytes(CKA_LABEL, base::view(uri.object));
      if (!uri.id.empty()) pattern.bytes(CKA_ID, uri.id);
    }
    SIGILLO_CHECK(
        checked(Function::find, (*module)->C_FindObjectsInit(session, pattern.data(), pattern.size())));
    std::array<CK_OBJECT_HANDLE, 8> handles{};
    CK_ULONG count = 0;
    const auto found =
        checked(Function::find, (*module)->C_FindObjects(session, handles.data(), handles.size(), &count));
    (*module)->C_FindObjectsFinal(session);
    SIGILLO_CHECK(found);
    return std::vector<CK_OBJECT_HANDLE>(handles.begin(),
                                         handles.begin() + static_cast<std::ptrdiff_t>(count));
  }

  // Nothing where the token does not have it, or does not show it.
  std::optional<base::Bytes> read(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
    CK_ATTRIBUTE attribute{type, nullptr, 0};
    if ((*module)->C_GetAttributeValue(session, object, &attribute, 1) != CKR_OK ||
        attribute.ulValueLen > kAttributeMax)
      return std::nullopt;
    base::Bytes value(attribute.ulValueLen);
    attribute.pValue = value.data();
    if ((*module)->C_GetAttributeValue(session, object, &attribute, 1) != CKR_OK ||
        attribute.ulValueLen > value.size())
      return std::nullopt;
    value.resize(attribute.ulValueLen);
    return value;
  }
  std::optional<bool> flag(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
    const auto raw = read(object, type);
    return raw && raw->size() == sizeof(CK_BBOOL) ? std::optional((*raw)[0] != CK_FALSE) : std::nullopt;
  }
  std::optional<CK_ULONG> number(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
    const auto raw = read(object, type);
    CK_ULONG value = 0;
    if (!raw || raw->size() != sizeof value) return std::nullopt;
    std::memcpy(&value, raw->data(), sizeof value);
    return value;
  }

  // Of the public keys and certificates of that name the first that has a point of P-256.
  base::Result<std::optional<base::ByteArray<kPoint>>> shown_point(const base::Bytes* id) {
    SIGILLO_TRY(const auto keys, find(CKO_PUBLIC_KEY, id));
    for (const auto object : keys) {
      const auto curve = read(object, CKA_EC_PARAMS);
      if (!curve || !std::ranges::equal(*curve, curve_oid(KeyType::ec_p256))) continue;
      if (const auto raw = read(object, CKA_EC_POINT)) {
        if (const auto found = point_of(*raw)) return found;
      }
    }
    SIGILLO_TRY(const auto certificates, find(CKO_CERTIFICATE, id));
    for (const auto certificate : certificates) {
      if (const auto der = read(certificate, CKA_VALUE)) {
        if (const auto found = point_of_certificate(*der)) return found;
      }
    }
    return std::optional<base::ByteArray<kPoint>>();
  }

  base::Result<void> log_in_as(CK_USER_TYPE who) {
    const bool pad = pin.empty();
    const auto bytes = pin.expose();
    return checked(Function::login,
                   (*module)->C_Login(session, who, pad ? nullptr : const_cast<unsigned char*>(bytes.data()),
                                      static_cast<CK_ULONG>(bytes.size())));
  }

  const TokenUri uri;
  const std::unique_ptr<Module> module;
  CK_SLOT_ID slot = 0;
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  bool asks_each_time = false;  // CKA_ALWAYS_AUTHENTICATE: keys of qualified signatures
  std::optional<base::ByteArray<kPoint>> point;
  base::Secret pin;
};

PersonalToken::PersonalToken(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PersonalToken::~PersonalToken() = default;

base::Result<std::unique_ptr<PersonalToken>> PersonalToken::open(const TokenUri& uri) {
  SIGILLO_TRY(auto module, Module::load(uri.module_path));
  SIGILLO_CHECK(module->initialize());
  auto impl = std::make_unique<Impl>(uri, std::move(module));
  SIGILLO_TRY(impl->slot, slot_of(*impl->module, uri));
  SIGILLO_CHECK(checked(
      Function::open_session,
      (*impl->module)->C_OpenSession(impl->slot, CKF_SERIAL_SESSION, nullptr, nullptr, &impl->session)));
  return std::unique_ptr<PersonalToken>(new PersonalToken(std::move(impl)));
}

base::Result<PinState> PersonalToken::pin_state() const {
  CK_TOKEN_INFO token{};
  SIGILLO_CHECK(checked(Function::token_info, (*impl_->module)->C_GetTokenInfo(impl_->slot, &token)));
  const auto has = [&token](CK_FLAGS flag) { return (token.flags & flag) != 0; };
  return PinState{.wanted = has(CKF_LOGIN_REQUIRED),
                  .own_pad = has(CKF_PROTECTED_AUTHENTICATION_PATH),
                  .wrong_before = has(CKF_USER_PIN_COUNT_LOW),
                  .final_try = has(CKF_USER_PIN_FINAL_TRY),
                  .locked = has(CKF_USER_PIN_LOCKED)};
}

// A card that locks is an officer less, perhaps for weeks. So where the token says that the next wrong PIN
// locks it, none is tried here: its own tool is the place for a last try.
base::Result<void> PersonalToken::log_in(base::Secret pin) {
  SIGILLO_TRY(const auto state, pin_state());
  if (state.locked)
    return base::Error(Errc::credential, "its PIN is locked: only its own tool can set another");
  if (state.final_try)
    return base::Error(
        Errc::credential,
        "one more wrong PIN would lock it, so none was tried: log in once with the token's own tool");
  impl_->pin = std::move(pin);
  const auto done = impl_->log_in_as(CKU_USER);
  if (!done) impl_->pin.wipe();
  return done;
}

base::Result<base::ByteArray<65>> PersonalToken::public_point() {
  if (!impl_->point) {
    SIGILLO_TRY(impl_->point, impl_->shown_point(nullptr));
  }
  if (!impl_->point)
    return base::Error(Errc::no_such_key,
                       "the token shows no public key or certificate on P-256 of that name");
  return *impl_->point;
}

base::Result<void> PersonalToken::find_key() {
  auto& token = *impl_;
  SIGILLO_TRY(const auto found, token.find(CKO_PRIVATE_KEY));
  if (found.empty()) return base::Error(Errc::no_such_key, "the token has no private key of that name");
  if (found.size() > 1)
    return base::Error(Errc::no_such_key, "more than one private key has that name: add id= to the URI");
  const auto key = found.front();
  const auto curve = token.read(key, CKA_EC_PARAMS);
  if (token.number(key, CKA_KEY_TYPE) != CKK_EC || !curve ||
      !std::ranges::equal(*curve, curve_oid(KeyType::ec_p256)))
    return base::Error(Errc::bad_attributes, "the key is of another kind: an EC key on P-256 is wanted");
  if (token.flag(key, CKA_SIGN) == false) return base::Error(Errc::bad_attributes, "the key may not sign");
  // A key that can be had out of its token is no better kept than one in a file without a password.
  if (token.flag(key, CKA_EXTRACTABLE) == true || token.flag(key, CKA_SENSITIVE) == false)
    return base::Error(Errc::bad_attributes, "the key can be had out of its token: make one in the token");
  token.key = key;
  token.asks_each_time = token.flag(key, CKA_ALWAYS_AUTHENTICATE).value_or(false);
  if (!token.asks_each_time) token.pin.wipe();
  if (const auto id = token.read(key, CKA_ID); id && !id->empty()) {
    SIGILLO_TRY(token.point, token.shown_point(&*id));
  }
  SIGILLO_CHECK(public_point());
  return base::ok();
}

base::Result<base::Bytes> PersonalToken::sign(const base::Digest& digest) {
  auto& token = *impl_;
  SIGILLO_TRY(const auto point, public_point());
  CK_MECHANISM ecdsa{CKM_ECDSA, nullptr, 0};
  SIGILLO_CHECK(checked(Function::sign, (*token.module)->C_SignInit(token.session, &ecdsa, token.key)));
  if (token.asks_each_time) SIGILLO_CHECK(token.log_in_as(CKU_CONTEXT_SPECIFIC));
  base::Bytes signature(kSignature);
  CK_ULONG size = signature.size();
  SIGILLO_CHECK(checked(Function::sign, (*token.module)
                                            ->C_Sign(token.session, const_cast<unsigned char*>(digest.data()),
                                                     kDigest, signature.data(), &size)));
  // The public half is not under the PIN: one that somebody put beside the key would be enrolled in its
  // place.
  if (size != kSignature || !verify(KeyType::ec_p256, point, digest, signature))
    return base::Error(Errc::bad_attributes, "the token's public key does not belong to the private one");
  return signature;
}

}  // namespace sigillo::hsm
