// SqlCipherStore: the Store port on one SQLCipher file in WAL mode with synchronous=FULL. One writer thread
// commits everything that is waiting in one transaction (group commit); a witness thread records heads for as
// many commits as have become durable meanwhile; readers have connections of their own. Freshness: every
// row's keyed fingerprint is part of its bucket's set hash, the buckets' of a root, and the root of the
// ledger, whose head is witnessed. A bucket is checked at its first use after start, a row at each read, a
// list as a whole. Thread rule: as Store. One SqlCipherStore per file and process.
#pragma once

#include <memory>
#include <string>

#include <base/secret.hpp>
#include <sealed_store/store.hpp>

namespace sigillo::sealed_store {

enum class WitnessMode : std::uint8_t { strict, interval };

struct StoreOptions {
  std::string path;  // the database file; its WAL stands beside it
  std::uint32_t node = 1;
  WitnessMode mode = WitnessMode::strict;
  base::Duration interval = base::seconds(1);  // for WitnessMode::interval
  // Ledger entries between two folds of the guard table, which a start replays. A fold writes most of the
  // table where guesses are spread over all subjects, whatever came since the last.
  std::uint32_t fold_every = 200'000;
  // All buckets and lists are looked through from the start on, and again after so long; without it a bucket
  // is checked at its first use, and a list when it is asked for.
  std::optional<base::Duration> look_through;
  base::Duration snapshot{
      2000};  // how long a reader stays in one; what is put back in the file shows after it
};

struct StoreKeys {
  base::Secret page_key;   // 32 bytes, SQLCipher's raw key
  base::Secret fresh_key;  // 32 bytes, the key of fingerprints and set hashes
};

class SqlCipherStore {
 public:
  // A new file with the current schema and an empty ledger. Errc::unavailable where the file exists.
  static base::Result<void> create(const StoreOptions& options, const StoreKeys& keys);
  // Opens, migrates, replays the ledger's tail, checks it against the witness, takes over. `witness` outlives
  // the store. Errc::rolled_back, Errc::corrupt, Errc::schema, Errc::stale refuse it without changing the
  // file or the witness.
  static base::Result<std::unique_ptr<Store>> open(const StoreOptions& options, StoreKeys keys,
                                                   HeadWitness& witness);
};

// Reads the ledger of a file that a running appliance may have open: for `sigillo audit export`. No lock that
// a writer would wait for, nothing is written. Thread rule: one owner.
class LedgerReader {
 public:
  static base::Result<std::unique_ptr<LedgerReader>> open(const std::string& path,
                                                          const base::Secret& page_key);
  virtual ~LedgerReader() = default;
  virtual base::Result<std::vector<LedgerEntry>> read(std::uint64_t after, std::size_t limit) = 0;
  // Asked again after the last read: a running appliance may have pruned meanwhile.
  virtual base::Result<LedgerBase> base() = 0;
  // Of the file: nobody vouches for it here.
  virtual base::Result<Head> head() = 0;
};

}  // namespace sigillo::sealed_store
