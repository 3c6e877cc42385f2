// A store's file outside of a store, for backups: copied page by page while a store serves it, and a copy
// read and checked whole. The copy is of one snapshot: what was durable when it began, however much is
// committed meanwhile, and no commit waits for it. StoreFile opens a file that nobody has open and leaves it,
// and all beside it, as it was found: a backup on a disk that is read-only is read too. Attack it stops: (1)
// put a page of yesterday into the file, (2) have it backed up, and restored one day. check() takes every
// record into its bucket's hash, and these into the root that the ledger carries. Whether the ledger's end is
// the newest cannot be told from a file: that is the witness's. Thread rule: one owner. Never: writes into a
// store's file.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <sealed_store/sqlcipher_store.hpp>

namespace sigillo::sealed_store {

enum class FileErrc : std::uint16_t {
  no_space = 331,  // the disk that the copy goes to has no room for it
  stopped = 332,   // progress said so
  exists = 333,    // something stands where the copy is to be made
};

// Of pages, or of entries and buckets. False: stop.
using FileProgress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

// TO is made, mode 0600, and is whole and on the disk where this succeeds; what is left of it where it does
// not is the caller's to remove. FROM may be open here and elsewhere.
base::Result<void> copy_store_file(const std::string& from, const std::string& to,
                                   const base::Secret& page_key, const FileProgress& progress);

struct StoreContents {
  std::uint32_t schema = 0;
  Head head;
  LedgerBase base;
  std::uint64_t entries = 0;
  std::uint64_t records = 0;
};

class StoreFile {
 public:
  // Errc::corrupt where the keys are others. Errc::unavailable where a WAL stands beside it: then it is not
  // all of it.
  static base::Result<std::unique_ptr<StoreFile>> open(const std::string& path, const StoreKeys& keys);
  virtual ~StoreFile() = default;

  // Both integrity checks; the chain from the ledger's beginning to its head; counters, buckets and every
  // record against what the ledger says of them. Errc::corrupt, stale, schema.
  virtual base::Result<StoreContents> check(const FileProgress& progress) = 0;
  // After check(), which is what makes them believed.
  virtual base::Result<std::optional<base::Bytes>> read(const RecordKey& key) = 0;
  virtual base::Result<std::optional<base::Digest>> hash_at(std::uint64_t seq) = 0;
};

}  // namespace sigillo::sealed_store
