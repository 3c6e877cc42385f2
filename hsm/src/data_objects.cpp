#include "data_objects.hpp"

#include <algorithm>

namespace sigillo::hsm {
namespace {

constexpr std::string_view kApplication = "sigillo";
constexpr std::string_view kRewritable = "sigillo:";  // and the label
constexpr std::string_view kElsewhere = "label";      // CKA_VALUE of a rewritable one

// An anchor has some 60 bytes, twice as many in hex; what is longer is asked for again.
constexpr std::size_t kUsualValue = 512;

using Kind = DataTable::Kind;

Template pattern_of(Kind kind, const std::string& label, bool on_token = true) {
  Template pattern;
  pattern.number(CKA_CLASS, CKO_DATA).flag(CKA_TOKEN, on_token).flag(CKA_PRIVATE, true);
  if (kind == Kind::rewritable) {
    pattern.bytes(CKA_APPLICATION, base::view(std::string(kRewritable) + label));
  } else {
    pattern.bytes(CKA_APPLICATION, base::view(kApplication)).bytes(CKA_LABEL, base::view(label));
  }
  return pattern;
}

// PKCS#11 2.40, 4.4.1: of a modifiable object CKA_LABEL may be changed. CKA_VALUE need not, and SoftHSM2
// refuses it.
Template attributes_of(Kind kind, const std::string& label, base::ByteView value, bool on_token) {
  Template attributes = pattern_of(kind, label, on_token);
  if (kind == Kind::rewritable) {
    attributes.bytes(CKA_LABEL, base::view(base::to_hex(value))).bytes(CKA_VALUE, base::view(kElsewhere));
  } else {
    attributes.bytes(CKA_VALUE, value);
  }
  return attributes;
}

base::Result<base::Bytes> decode(Kind kind, std::optional<base::Bytes> raw) {
  if (!raw) return base::Error(Errc::bad_attributes, "a data object whose value cannot be read");
  if (kind == Kind::fixed) return std::move(*raw);
  auto value = base::from_hex(base::text(*raw));
  if (!value) return base::Error(Errc::bad_attributes, "a rewritable data object whose label is not hex");
  return std::move(*value);
}

constexpr CK_ATTRIBUTE_TYPE place_of_value(Kind kind) {
  return kind == Kind::rewritable ? CKA_LABEL : CKA_VALUE;
}

// Errc::no_such_key, and no trouble of the lease's, where the object is gone.
base::Result<base::Bytes> read_value(Lease& lease, CK_OBJECT_HANDLE object, Kind kind) {
  base::Bytes raw(kUsualValue);
  CK_ATTRIBUTE attribute{place_of_value(kind), raw.data(), static_cast<CK_ULONG>(raw.size())};
  const CK_RV rv = lease.module()->C_GetAttributeValue(lease.session(), object, &attribute, 1);
  if (rv != CKR_BUFFER_TOO_SMALL) SIGILLO_CHECK(check_object(lease, Function::get_attributes, rv));
  if (rv == CKR_OK && attribute.ulValueLen <= raw.size()) {
    raw.resize(attribute.ulValueLen);
    return decode(kind, std::move(raw));
  }
  SIGILLO_TRY(auto asked_again, read_attribute(lease, object, attribute.type));
  return decode(kind, std::move(asked_again));
}

}  // namespace

// SoftHSM2 writes an object's file once for each attribute where the object is made on the token, and three
// times where one of the session, which is in memory alone, is copied there (measured: 2.5 ms against 0.7 ms
// with the destruction of the old one). A module that knows no such copy is asked for the plain way.
base::Result<DataHandle> DataTable::create(Lease& lease, Kind kind, const std::string& label,
                                           base::ByteView value) {
  std::optional<CK_OBJECT_HANDLE> object;
  if (plain_ != lease.generation()) {
    SIGILLO_TRY(object, create_by_copy(lease, kind, label, value));
    if (!object) plain_ = lease.generation();
  }
  if (!object) {
    Template attributes = attributes_of(kind, label, value, true);
    SIGILLO_TRY(object, create_object(lease, lease.session(), attributes));
  }
  rows_.emplace(next_, Row{lease.generation(), *object, kind, label, base::sha256({value})});
  return next_++;
}

// Nothing where the module refuses the way, and has done nothing on the token.
base::Result<std::optional<CK_OBJECT_HANDLE>> DataTable::create_by_copy(Lease& lease, Kind kind,
                                                                        const std::string& label,
                                                                        base::ByteView value) {
  const Module& module = lease.module();
  const auto refused = [](Function function, CK_RV rv) {
    return classify(function, rv) == RvClass::caller_fault;
  };
  Template in_session = attributes_of(kind, label, value, false);
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

base::Result<std::vector<DataTable::Found>> DataTable::find(Lease& lease, const std::string& label) {
  std::vector<Found> out;
  const auto add = [&](Kind kind, CK_OBJECT_HANDLE object, base::Bytes value) {
    const auto digest = base::sha256({value});
    out.push_back({{lease.generation(), object, kind, label, digest}, std::move(value)});
  };
  Template fixed = pattern_of(Kind::fixed, label);
  SIGILLO_TRY(const auto all_fixed, find_objects(lease, fixed));
  for (const auto object : all_fixed) {
    SIGILLO_TRY(auto raw, read_attribute(lease, object, CKA_VALUE, kUsualValue));
    SIGILLO_TRY(auto value, decode(Kind::fixed, std::move(raw)));
    add(Kind::fixed, object, std::move(value));
  }
  Template rewritable = pattern_of(Kind::rewritable, label);
  SIGILLO_TRY(const auto all_rewritable, find_objects(lease, rewritable));
  for (const auto object : all_rewritable) {
    auto value = read_value(lease, object, Kind::rewritable);
    // Found and gone, and the login is not: another process destroys it, or is in the middle of rewriting it
    // (SoftHSM2 truncates the file, unlocks it, and then writes). That fails no list.
    const bool gone = !value && value.error().is(Errc::no_such_key);
    if (gone && lease.trouble().meaning == RvClass::ok) continue;
    SIGILLO_CHECK(value);
    add(Kind::rewritable, object, std::move(*value));
  }
  return out;
}

base::Result<std::vector<DataObject>> DataTable::list(Lease& lease, const std::string& label) {
  SIGILLO_TRY(auto found, find(lease, label));
  std::vector<DataObject> out;
  for (auto& [row, value] : found) out.push_back({handle_of(row), std::move(value)});
  return out;
}

bool DataTable::same_by_value(const Row& a, const Row& b) {
  return a.kind == b.kind && a.label == b.label && a.digest == b.digest;
}

// The same number for the same object: of this generation by the module's handle, of an earlier one by kind,
// label and value.
DataHandle DataTable::handle_of(const Row& row) {
  for (auto& [handle, known] : rows_) {
    if (known.generation != row.generation || known.object != row.object) continue;
    known = row;  // another process may have rewritten it
    return handle;
  }
  for (auto& [handle, known] : rows_) {
    if (known.generation == row.generation || !same_by_value(known, row)) continue;
    known = row;
    return handle;
  }
  rows_.emplace(next_, row);
  return next_++;
}

bool DataTable::is_known(const Row& row) const {
  return std::ranges::any_of(rows_, [&](const auto& known) {
    return known.second.generation == row.generation && known.second.object == row.object;
  });
}

base::Result<void> DataTable::destroy(Lease& lease, DataHandle handle) {
  const auto row = rows_.find(handle);
  if (row == rows_.end()) return base::Error(Errc::no_such_key, "no such data object");
  if (row->second.generation != lease.generation()) {
    // This one alone is found again: whoever has the others' handles has not looked anew.
    SIGILLO_TRY(const auto found, find(lease, row->second.label));
    const auto same = std::ranges::find_if(found, [&](const Found& there) {
      return same_by_value(row->second, there.row) && !is_known(there.row);
    });
    if (same == found.end()) {
      rows_.erase(row);
      return base::Error(Errc::no_such_key, "the data object is gone");
    }
    row->second = same->row;
  }
  SIGILLO_CHECK(destroy_object(lease, row->second.object));
  rows_.erase(row);
  return base::ok();
}

base::Result<DataTable::Row*> DataTable::of_this_login(const Lease& lease, DataHandle handle) {
  const auto row = rows_.find(handle);
  if (row == rows_.end()) return base::Error(Errc::no_such_key, "no such data object");
  if (row->second.generation != lease.generation())
    return base::Error(Errc::no_such_key, "a data object of an earlier login, not looked up since");
  return &row->second;
}

// Attack: (1) a virtual machine is put back with its memory, and its connection to the HSM breaks. (2) It
// logs in again by itself. (3) Were its object looked up by itself too, it would go on writing over what was
// written since. Who lost a login looks anew, and sees that.
base::Result<void> DataTable::rewrite(Lease& lease, DataHandle handle, base::ByteView value) {
  SIGILLO_TRY(Row* const row, of_this_login(lease, handle));
  if (row->kind != Kind::rewritable) return base::Error(Errc::caller_fault, "a data object that is fixed");
  Template change;
  change.bytes(place_of_value(row->kind), base::view(base::to_hex(value)));
  SIGILLO_CHECK(check_object(
      lease, Function::set_attributes,
      lease.module()->C_SetAttributeValue(lease.session(), row->object, change.data(), change.size())));
  row->digest = base::sha256({value});
  return base::ok();
}

base::Result<base::Bytes> DataTable::read(Lease& lease, DataHandle handle) {
  SIGILLO_TRY(Row* const row, of_this_login(lease, handle));
  SIGILLO_TRY(auto value, read_value(lease, row->object, row->kind));
  row->digest = base::sha256({value});
  return value;
}

}  // namespace sigillo::hsm
