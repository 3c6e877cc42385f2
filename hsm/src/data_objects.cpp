#include "data_objects.hpp"

namespace sigillo::hsm {
namespace {

constexpr std::string_view kApplication = "sigillo";

// An anchor has some 60 bytes; what is longer is asked for again.
constexpr std::size_t kUsualValue = 256;

Template pattern_of(const std::string& label, bool on_token = true) {
  Template pattern;
  pattern.number(CKA_CLASS, CKO_DATA).flag(CKA_TOKEN, on_token).flag(CKA_PRIVATE, true);
  pattern.bytes(CKA_APPLICATION, base::view(kApplication)).bytes(CKA_LABEL, base::view(label));
  return pattern;
}

}  // namespace

// SoftHSM2 writes an object's file once for each attribute where the object is made on the token, and three
// times where one of the session, which is in memory alone, is copied there (measured: 2.5 ms against 0.7 ms
// with the destruction of the old one). A module that knows no such copy is asked for the plain way.
base::Result<DataHandle> DataTable::create(Lease& lease, const std::string& label, base::ByteView value) {
  std::optional<CK_OBJECT_HANDLE> object;
  if (plain_ != lease.generation()) {
    SIGILLO_TRY(object, create_by_copy(lease, label, value));
    if (!object) plain_ = lease.generation();
  }
  if (!object) {
    Template attributes = pattern_of(label);
    attributes.bytes(CKA_VALUE, value);
    SIGILLO_TRY(object, create_object(lease, lease.session(), attributes));
  }
  rows_.emplace(next_, Row{lease.generation(), *object, label, base::sha256({value})});
  return next_++;
}

// Nothing where the module refuses the way, and has done nothing on the token.
base::Result<std::optional<CK_OBJECT_HANDLE>> DataTable::create_by_copy(Lease& lease,
                                                                        const std::string& label,
                                                                        base::ByteView value) {
  const Module& module = lease.module();
  const auto refused = [](Function function, CK_RV rv) {
    return classify(function, rv) == RvClass::caller_fault;
  };
  Template in_session = pattern_of(label, false);
  in_session.bytes(CKA_VALUE, value);
  CK_OBJECT_HANDLE draft = CK_INVALID_HANDLE;
  CK_RV rv = module->C_CreateObject(lease.session(), in_session.data(), in_session.size(), &draft);
  if (refused(Function::create, rv)) return std::optional<CK_OBJECT_HANDLE>();
  SIGILLO_CHECK(lease.check(Function::create, rv));
  Template to_token;
  to_token.flag(CKA_TOKEN, true);
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  rv = module->C_CopyObject(lease.session(), draft, to_token.data(), to_token.size(), &object);
  // Whatever became of the copy: the draft ends here, or with its session.
  module->C_DestroyObject(lease.session(), draft);
  if (refused(Function::copy, rv)) return std::optional<CK_OBJECT_HANDLE>();
  SIGILLO_CHECK(lease.check(Function::copy, rv));
  return std::optional(object);
}

base::Result<std::vector<DataObject>> DataTable::list(Lease& lease, const std::string& label) {
  Template pattern = pattern_of(label);
  SIGILLO_TRY(const auto found, find_objects(lease, pattern));
  std::vector<DataObject> out;
  for (const auto object : found) {
    SIGILLO_TRY(auto value, read_attribute(lease, object, CKA_VALUE, kUsualValue));
    if (!value) return base::Error(Errc::bad_attributes, "a data object whose value cannot be read");
    const Row row{lease.generation(), object, label, base::sha256({*value})};
    out.push_back({handle_of(row), std::move(*value)});
  }
  return out;
}

// The same number for the same object: of this generation by the module's handle, of an earlier one by label
// and value.
DataHandle DataTable::handle_of(const Row& row) {
  for (auto& [handle, known] : rows_) {
    if (known.generation == row.generation && known.object == row.object) return handle;
  }
  for (auto& [handle, known] : rows_) {
    if (known.generation == row.generation || known.label != row.label || known.digest != row.digest)
      continue;
    known = row;
    return handle;
  }
  rows_.emplace(next_, row);
  return next_++;
}

base::Result<void> DataTable::destroy(Lease& lease, DataHandle handle) {
  auto row = rows_.find(handle);
  if (row == rows_.end()) return base::Error(Errc::no_such_key, "no such data object");
  if (row->second.generation != lease.generation()) {
    SIGILLO_CHECK(list(lease, std::string(row->second.label)));  // rebinds what is still there
    if (row->second.generation != lease.generation()) {
      rows_.erase(row);
      return base::Error(Errc::no_such_key, "the data object is gone");
    }
  }
  SIGILLO_CHECK(destroy_object(lease, row->second.object));
  rows_.erase(row);
  return base::ok();
}

}  // namespace sigillo::hsm
