// What a module is like, found by trying: for the compatibility table of docs/HSM.md.
#include <algorithm>
#include <array>
#include <set>

#include "pkcs11_token_impl.hpp"

namespace sigillo::hsm {
namespace {

constexpr int kObjects = 32;

struct Asked {
  CK_MECHANISM_TYPE type;
  const char* name;
  bool needed;
};
// Needed: token.hpp asks for them. The others are of the ceremony's backup, or tell one module from another.
constexpr auto kMechanisms = std::to_array<Asked>({
    {CKM_SHA256_HMAC, "CKM_SHA256_HMAC", true},
    {CKM_GENERIC_SECRET_KEY_GEN, "CKM_GENERIC_SECRET_KEY_GEN", true},
    {CKM_EC_KEY_PAIR_GEN, "CKM_EC_KEY_PAIR_GEN", true},
    {CKM_ECDSA, "CKM_ECDSA", true},
    {CKM_AES_KEY_WRAP_PAD, "CKM_AES_KEY_WRAP_PAD", false},
    {CKM_AES_KEY_GEN, "CKM_AES_KEY_GEN", false},
    {CKM_ECDH1_DERIVE, "CKM_ECDH1_DERIVE", false},
    {CKM_AES_GCM, "CKM_AES_GCM", false},
});

std::string hex(CK_RV rv) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%lx", rv);
  return text;
}

Template data_pattern(const std::string& label) {
  Template out;
  out.number(CKA_CLASS, CKO_DATA).flag(CKA_TOKEN, true).flag(CKA_PRIVATE, true);
  out.bytes(CKA_APPLICATION, base::view("sigillo")).bytes(CKA_LABEL, base::view(label));
  return out;
}

// Whether a value can be changed in place: the anchor would need one object less (SoftHSM2 refuses).
Quirk value_change(Lease& lease, CK_OBJECT_HANDLE object) {
  Template change;
  change.bytes(CKA_VALUE, base::view("another"));
  const CK_RV rv = lease.module()->C_SetAttributeValue(lease.session(), object, change.data(), change.size());
  return {"a data object's value", rv == CKR_OK ? "can be changed" : "cannot be changed (" + hex(rv) + ')'};
}

base::Result<std::vector<Quirk>> probe_data(Lease& lease) {
  std::vector<Quirk> out;
  base::ByteArray<8> mark{};
  SIGILLO_CHECK(lease.check(Function::random,
                            lease.module()->C_GenerateRandom(lease.session(), mark.data(), mark.size())));
  const std::string label = "sigillo.probe." + base::to_hex(mark);
  std::set<CK_OBJECT_HANDLE> seen;
  bool reused = false;
  for (int i = 0; i < kObjects; ++i) {
    Template attributes = data_pattern(label);
    attributes.bytes(CKA_VALUE, mark);
    SIGILLO_TRY(const auto object, create_object(lease, lease.session(), attributes));
    reused = !seen.insert(object).second || reused;
    if (i == 0) out.push_back(value_change(lease, object));
    SIGILLO_CHECK(destroy_object(lease, object));
  }
  // docs/GUESS_LIMIT.md rests on this: an anchor that is destroyed must not be mistaken for one made since.
  out.push_back({"handles of destroyed objects",
                 reused ? "ARE USED AGAIN within a session" : "are not used again within a session"});
  return out;
}

base::Result<Quirk> probe_check_value(Lease& lease) {
  Template attributes;
  attributes.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
  attributes.flag(CKA_TOKEN, false).flag(CKA_SIGN, true).bytes(CKA_VALUE, base::ByteArray<32>{1});
  SIGILLO_TRY(const auto key, create_object(lease, lease.session(), attributes));
  const auto value = read_attribute(lease, key, CKA_CHECK_VALUE);
  SIGILLO_CHECK(destroy_object(lease, key));
  SIGILLO_CHECK(value);
  const bool empty = !*value || (*value)->empty();
  return Quirk{"a key's check value", empty ? "is empty or not shown: ours is computed"
                                            : std::to_string((*value)->size()) + " bytes"};
}

std::string bound(CK_ULONG number) {
  if (number == CK_UNAVAILABLE_INFORMATION) return "not told";
  return number == CK_EFFECTIVELY_INFINITE ? "no bound told" : std::to_string(number);
}

base::Result<std::vector<Quirk>> probe_token(Lease& lease, CK_SLOT_ID slot) {
  CK_TOKEN_INFO info{};
  SIGILLO_CHECK(lease.check(Function::token_info, lease.module()->C_GetTokenInfo(slot, &info)));
  return std::vector<Quirk>{
      {"sessions that write, at once", bound(info.ulMaxRwSessionCount)},
      {"free private memory", bound(info.ulFreePrivateMemory)},
      {"length of its PIN", std::to_string(info.ulMinPinLen) + " to " + std::to_string(info.ulMaxPinLen)},
      {"a generator of its own", (info.flags & CKF_RNG) != 0 ? "yes" : "NO"},
      {"locks after wrong PINs", (info.flags & (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY)) != 0
                                     ? "it counts, and wrong ones WERE given"
                                     : "no wrong one is counted just now"}};
}

void append(std::vector<Quirk>& to, std::vector<Quirk> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

base::Result<std::vector<Mechanism>> Pkcs11Token::mechanisms() {
  const auto work = [this](Lease& lease) -> base::Result<std::vector<Mechanism>> {
    std::vector<Mechanism> out;
    for (const Asked& one : kMechanisms) {
      CK_MECHANISM_INFO info{};
      const CK_RV rv = lease.module()->C_GetMechanismInfo(impl_->connection->slot(), one.type, &info);
      if (rv != CKR_OK && rv != CKR_MECHANISM_INVALID) {
        SIGILLO_CHECK(lease.check(Function::token_info, rv));
      }
      out.push_back({one.name, one.needed, rv == CKR_OK, info.ulMinKeySize, info.ulMaxKeySize});
    }
    return out;
  };
  return impl_->connection->call(Retry::idempotent, work);
}

base::Result<ModuleReport> Pkcs11Token::probe() {
  ModuleReport out;
  SIGILLO_TRY(out.identity, identity());
  SIGILLO_TRY(out.mechanisms, mechanisms());
  const auto work = [this](Lease& lease) { return probe_token(lease, impl_->connection->slot()); };
  SIGILLO_TRY(out.quirks, impl_->connection->call(Retry::idempotent, work));
  SIGILLO_TRY(auto data, impl_->change_objects(probe_data));
  append(out.quirks, std::move(data));
  SIGILLO_TRY(auto check_value, impl_->with_objects(Retry::idempotent, probe_check_value));
  out.quirks.push_back(std::move(check_value));
  return out;
}

}  // namespace sigillo::hsm
