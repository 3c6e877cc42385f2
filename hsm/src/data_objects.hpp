// DataTable: CKO_DATA objects, and what a DataHandle stands for.
// A DataHandle is a number of our own, never the module's object handle, for a handle is reused by a module
// that is loaded anew: 1. an anchor is listed as handle 7; 2. the device goes and comes back; 3. handle 7 is
// now the verifier key; 4. destroying "the old anchor" destroys it. A number of ours is found again by label
// and value, or not at all. Thread rule: the caller holds the lock of objects.hpp.
#pragma once

#include <map>

#include <base/crypto.hpp>

#include "objects.hpp"

namespace sigillo::hsm {

class DataTable {
 public:
  enum class Kind : std::uint8_t { fixed, rewritable };

  base::Result<DataHandle> create(Lease& lease, Kind kind, const std::string& label, base::ByteView value);
  base::Result<std::vector<DataObject>> list(Lease& lease, const std::string& label);
  base::Result<void> destroy(Lease& lease, DataHandle handle);
  // These two look nothing up: a handle of an earlier login is refused until list() has found it again.
  base::Result<void> rewrite(Lease& lease, DataHandle handle, base::ByteView value);
  base::Result<base::Bytes> read(Lease& lease, DataHandle handle);

 private:
  struct Row {
    std::uint64_t generation;
    CK_OBJECT_HANDLE object;
    Kind kind;
    std::string label;
    base::Digest digest;  // of the value
  };
  struct Found {
    Row row;
    base::Bytes value;
  };
  base::Result<std::optional<CK_OBJECT_HANDLE>> create_by_copy(Lease& lease, Kind kind,
                                                               const std::string& label,
                                                               base::ByteView value);
  static base::Result<std::vector<Found>> find(Lease& lease, const std::string& label);
  base::Result<Row*> of_this_login(const Lease& lease, DataHandle handle);
  DataHandle handle_of(const Row& row);
  static bool same_by_value(const Row& a, const Row& b);
  bool is_known(const Row& row) const;
  std::map<DataHandle, Row> rows_;
  DataHandle next_ = 1;
  std::uint64_t plain_ = 0;  // the generation in which the module refused to copy; generations begin at 1
};

}  // namespace sigillo::hsm
