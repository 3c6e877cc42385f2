#include "data_objects.hpp"

namespace sigillo::hsm {
namespace {

constexpr std::string_view kApplication = "sigillo";

Template pattern_of(const std::string& label) {
  Template pattern;
  pattern.number(CKA_CLASS, CKO_DATA).flag(CKA_TOKEN, true).flag(CKA_PRIVATE, true);
  pattern.bytes(CKA_APPLICATION, base::view(kApplication)).bytes(CKA_LABEL, base::view(label));
  return pattern;
}

}  // namespace

base::Result<DataHandle> DataTable::create(Lease& lease, const std::string& label, base::ByteView value) {
  Template attributes = pattern_of(label);
  attributes.bytes(CKA_VALUE, value);
  SIGILLO_TRY(const auto object, create_object(lease, lease.session(), attributes));
  rows_.emplace(next_, Row{lease.generation(), object, label, base::sha256({value})});
  return next_++;
}

base::Result<std::vector<DataObject>> DataTable::list(Lease& lease, const std::string& label) {
  Template pattern = pattern_of(label);
  SIGILLO_TRY(const auto found, find_objects(lease, pattern));
  std::vector<DataObject> out;
  for (const auto object : found) {
    SIGILLO_TRY(auto value, read_attribute(lease, object, CKA_VALUE));
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
