#include "record_rows.hpp"

#include <algorithm>

namespace sigillo::sealed_store {

Places places_of(const RecordKey& key) {
  const auto prefix = base::read_be<std::uint64_t>(key.id) >> 16;
  const auto first = static_cast<std::int64_t>(prefix << 12 | std::uint64_t{key.table} << 4);
  return {first, first + 15};
}

Places places_of_bucket(std::uint16_t id) {
  const auto first = std::int64_t{id} << 44;
  return {first, first + (std::int64_t{1} << 44) - 1};
}

base::Result<RecordKey> key_of(Cursor& cursor) {
  const auto id = cursor.blob(0);
  RecordKey key;
  if (id.size() != key.id.size()) return base::Error(Errc::corrupt, "a record's id has a wrong length");
  std::ranges::copy(id, key.id.begin());
  key.table = static_cast<std::uint8_t>(cursor.integer(1));
  return key;
}

base::Result<RowQueries> RowQueries::prepare(Database& db) {
  RowQueries out;
  SIGILLO_TRY(out.row_, db.prepare("SELECT queue, due, sealed FROM record "
                                   "WHERE place BETWEEN ? AND ? AND id=? AND tbl=?"));
  SIGILLO_TRY(out.bucket_,
              db.prepare("SELECT id, tbl, queue, due, sealed FROM record WHERE place BETWEEN ? AND ?"));
  SIGILLO_TRY(out.queued_, db.prepare("SELECT id, tbl, queue, due FROM record "
                                      "WHERE place BETWEEN ? AND ? AND queue<>0"));
  SIGILLO_TRY(out.taken_, db.prepare("SELECT place FROM record WHERE place BETWEEN ? AND ? ORDER BY place"));
  return out;
}

base::Result<std::optional<StoredRow>> RowQueries::row(const RecordKey& key) {
  const auto [first, last] = places_of(key);
  auto cursor = row_(first, last, key.id, key.table);
  SIGILLO_TRY(const bool found, cursor.next());
  if (!found) return std::optional<StoredRow>{};
  const auto sealed = cursor.blob(2);
  return std::optional<StoredRow>({static_cast<std::uint8_t>(cursor.integer(0)), cursor.integer(1),
                                   base::Bytes(sealed.begin(), sealed.end())});
}

base::Result<std::int64_t> RowQueries::free_place(const RecordKey& key) {
  const auto [first, last] = places_of(key);
  auto place = first;
  auto cursor = taken_(first, last);
  for (;; ++place) {
    SIGILLO_TRY(const bool found, cursor.next());
    if (!found || cursor.integer(0) != place) break;
  }
  if (place > last) return base::Error(Errc::unavailable, "seventeen records that are alike in six bytes");
  return place;
}

base::Result<Bucket> RowQueries::bucket(std::uint16_t id, const Prf& prf) {
  Bucket out;
  out.verified = true;
  const auto [first, last] = places_of_bucket(id);
  auto cursor = bucket_(first, last);
  for (;;) {
    SIGILLO_TRY(const bool found, cursor.next());
    if (!found) return out;
    SIGILLO_TRY(const auto key, key_of(cursor));
    out.add(key,
            prf.row(key, static_cast<std::uint8_t>(cursor.integer(2)), cursor.integer(3), cursor.blob(4)));
  }
}

base::Result<QueueSets> RowQueries::queued(std::uint16_t id, const Prf& prf) {
  QueueSets out;
  const auto [first, last] = places_of_bucket(id);
  auto cursor = queued_(first, last);
  for (;;) {
    SIGILLO_TRY(const bool found, cursor.next());
    if (!found) return out;
    SIGILLO_TRY(const auto key, key_of(cursor));
    const auto queue = static_cast<std::uint8_t>(cursor.integer(2));
    out[FreshQueues::part_of(queue, cursor.integer(3))] += prf.queued(key, queue, cursor.integer(3));
  }
}

}  // namespace sigillo::sealed_store
