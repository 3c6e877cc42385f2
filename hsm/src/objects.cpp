#include "objects.hpp"

#include <array>
#include <cstring>

namespace sigillo::hsm {

Template& Template::flag(CK_ATTRIBUTE_TYPE type, bool value) {
  const CK_BBOOL byte = value ? CK_TRUE : CK_FALSE;
  return bytes(type, {&byte, 1});
}

Template& Template::number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  base::ByteArray<sizeof value> raw;
  std::memcpy(raw.data(), &value, sizeof value);
  return bytes(type, raw);
}

Template& Template::bytes(CK_ATTRIBUTE_TYPE type, base::ByteView value) {
  auto& kept = values_.emplace_back(value.begin(), value.end());
  attributes_.push_back({type, kept.data(), static_cast<CK_ULONG>(kept.size())});
  return *this;
}

Template& Template::secret(CK_ATTRIBUTE_TYPE type, const base::Secret& value) {
  attributes_.push_back(
      {type, const_cast<base::Byte*>(value.expose().data()), static_cast<CK_ULONG>(value.size())});
  return *this;
}

namespace {

base::Result<void> check_login(Lease& lease, Function function) {
  CK_SESSION_INFO info{};
  SIGILLO_CHECK(
      lease.check(Function::session_info, lease.module()->C_GetSessionInfo(lease.session(), &info)));
  if (info.state == CKS_RW_USER_FUNCTIONS) return base::ok();
  return lease.check(function, CKR_USER_NOT_LOGGED_IN);
}

}  // namespace

base::Result<std::vector<CK_OBJECT_HANDLE>> find_objects(Lease& lease, Template& pattern) {
  const Module& module = lease.module();
  SIGILLO_CHECK(lease.check(Function::find,
                            module->C_FindObjectsInit(lease.session(), pattern.data(), pattern.size())));
  std::vector<CK_OBJECT_HANDLE> found;
  std::array<CK_OBJECT_HANDLE, 64> batch{};
  for (;;) {
    CK_ULONG count = 0;
    SIGILLO_CHECK(lease.check(Function::find,
                              module->C_FindObjects(lease.session(), batch.data(), batch.size(), &count)));
    if (count == 0) break;
    found.insert(found.end(), batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(count));
  }
  SIGILLO_CHECK(lease.check(Function::find, module->C_FindObjectsFinal(lease.session())));
  if (found.empty()) SIGILLO_CHECK(check_login(lease, Function::find));
  return found;
}

base::Result<void> check_object(Lease& lease, Function function, CK_RV rv) {
  if (classify(function, rv) != RvClass::stale_handle) return lease.check(function, rv);
  SIGILLO_CHECK(check_login(lease, function));
  return to_error(function, rv);
}

base::Result<std::optional<base::Bytes>> read_attribute(Lease& lease, CK_OBJECT_HANDLE object,
                                                        CK_ATTRIBUTE_TYPE type, std::size_t usual) {
  const Module& module = lease.module();
  CK_ATTRIBUTE attribute{type, nullptr, 0};
  if (usual > 0) {
    base::Bytes value(usual);
    attribute = {type, value.data(), static_cast<CK_ULONG>(value.size())};
    const CK_RV rv = module->C_GetAttributeValue(lease.session(), object, &attribute, 1);
    if (rv == CKR_OK && attribute.ulValueLen <= value.size()) {
      value.resize(attribute.ulValueLen);
      return std::optional<base::Bytes>(std::move(value));
    }
    if (rv != CKR_BUFFER_TOO_SMALL) SIGILLO_CHECK(lease.check(Function::get_attributes, rv));
    attribute = {type, nullptr, 0};
  }
  SIGILLO_CHECK(lease.check(Function::get_attributes,
                            module->C_GetAttributeValue(lease.session(), object, &attribute, 1)));
  if (attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION) return std::optional<base::Bytes>();
  base::Bytes value(attribute.ulValueLen);
  if (value.empty()) return std::optional<base::Bytes>(std::move(value));
  attribute.pValue = value.data();
  SIGILLO_CHECK(lease.check(Function::get_attributes,
                            module->C_GetAttributeValue(lease.session(), object, &attribute, 1)));
  if (attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION) return std::optional<base::Bytes>();
  value.resize(std::min<std::size_t>(value.size(), attribute.ulValueLen));
  return std::optional<base::Bytes>(std::move(value));
}

base::Result<std::optional<bool>> read_flag(Lease& lease, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  SIGILLO_TRY(const auto raw, read_attribute(lease, object, type));
  if (!raw || raw->size() != sizeof(CK_BBOOL)) return std::optional<bool>();
  return std::optional<bool>((*raw)[0] != CK_FALSE);
}

base::Result<std::optional<CK_ULONG>> read_number(Lease& lease, CK_OBJECT_HANDLE object,
                                                  CK_ATTRIBUTE_TYPE type) {
  SIGILLO_TRY(const auto raw, read_attribute(lease, object, type));
  CK_ULONG value = 0;
  if (!raw || raw->size() != sizeof value) return std::optional<CK_ULONG>();
  std::memcpy(&value, raw->data(), sizeof value);
  // Modules give CK_UNAVAILABLE_INFORMATION as a value too.
  if (value == CK_UNAVAILABLE_INFORMATION) return std::optional<CK_ULONG>();
  return std::optional<CK_ULONG>(value);
}

base::Result<CK_OBJECT_HANDLE> create_object(Lease& lease, CK_SESSION_HANDLE session, Template& attributes) {
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  SIGILLO_CHECK(lease.check(Function::create, lease.module()->C_CreateObject(session, attributes.data(),
                                                                             attributes.size(), &object)));
  return object;
}

base::Result<void> destroy_object(Lease& lease, CK_OBJECT_HANDLE object) {
  return lease.check(Function::destroy, lease.module()->C_DestroyObject(lease.session(), object));
}

}  // namespace sigillo::hsm
