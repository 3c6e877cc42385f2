#include "record_rows.hpp"

#include <algorithm>

namespace sigillo::sealed_store {

base::Result<RowQueries> RowQueries::prepare(Database& db) {
  RowQueries out;
  SIGILLO_TRY(out.row_, db.prepare("SELECT queue, due, sealed FROM record WHERE id=? AND tbl=?"));
  SIGILLO_TRY(out.bucket_, db.prepare("SELECT id, tbl, queue, due, sealed FROM record WHERE id>=? AND id<?"));
  return out;
}

base::Result<std::optional<StoredRow>> RowQueries::row(const RecordKey& key) {
  auto cursor = row_(key.id, key.table);
  SIGILLO_TRY(const bool found, cursor.next());
  if (!found) return std::optional<StoredRow>{};
  const auto sealed = cursor.blob(2);
  return std::optional<StoredRow>({static_cast<std::uint8_t>(cursor.integer(0)), cursor.integer(1),
                                   base::Bytes(sealed.begin(), sealed.end())});
}

base::Result<Bucket> RowQueries::bucket(std::uint16_t id, const Prf& prf) {
  // Two bytes are below every id that begins with them; seventeen 0xff are above every id.
  base::Bytes from;
  base::append_be(from, id);
  base::Bytes to(17, 0xff);
  if (id != 0xffff) {
    to.clear();
    base::append_be(to, static_cast<std::uint16_t>(id + 1));
  }
  Bucket out;
  out.verified = true;
  auto cursor = bucket_(from, to);
  for (;;) {
    SIGILLO_TRY(const bool found, cursor.next());
    if (!found) return out;
    const auto id_bytes = cursor.blob(0);
    RecordKey key;
    if (id_bytes.size() != key.id.size())
      return base::Error(Errc::corrupt, "a record's id has a wrong length");
    std::ranges::copy(id_bytes, key.id.begin());
    key.table = static_cast<std::uint8_t>(cursor.integer(1));
    out.add(key,
            prf.row(key, static_cast<std::uint8_t>(cursor.integer(2)), cursor.integer(3), cursor.blob(4)));
  }
}

}  // namespace sigillo::sealed_store
