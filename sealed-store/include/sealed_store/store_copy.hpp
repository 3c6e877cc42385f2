// StoreCopy: the store's file under other keys, page key and fresh key. Built beside the file while that one
// is being written to, brought up to date round by round, and put in its place once nobody has it open. Never
// sqlite3_rekey: it can say OK, change nothing, and leave a file that no key opens. The attack it must not
// open: (1) wait for a rotation, (2) put a row of yesterday into the file while it is copied. Every bucket is
// copied only where its rows have the hash that the ledger's root accounts for. Killed at any step there is
// one good store under the name: the old one until the rename, the new one from then on; what stands beside
// (FILE.rekey) is thrown away by the next begin(). Thread rule: one owner.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <sealed_store/sqlcipher_store.hpp>

namespace sigillo::sealed_store {

class StoreCopy {
 public:
  using Progress = std::function<bool(std::uint64_t buckets_done)>;  // false: stop (Errc::unavailable)

  // Makes FILE.rekey, empty.
  static base::Result<std::unique_ptr<StoreCopy>> begin(const StoreOptions& options, const StoreKeys& from,
                                                        const StoreKeys& to);
  virtual ~StoreCopy() = default;

  // One round, beside a store that is open: whatever differs since the round before. Gives how many buckets
  // that were. The first is the long one; each after it is as long as the one before let the store change.
  virtual base::Result<std::uint64_t> catch_up(const Progress& progress) = 0;
  // Both integrity checks on what is there, so that finish() need not.
  virtual base::Result<void> verify() = 0;
  // While nobody has the file open: the last round, the fold entry that carries root and guard hash under the
  // new fresh key, fsync, rename, fsync of the folder. Errc::unavailable where somebody else has the file
  // open (its WAL is still there); then nothing is changed.
  virtual base::Result<void> finish() = 0;
};

// Whether this is the file's page key. Errc::unavailable where that cannot be said.
base::Result<bool> opens_with(const std::string& path, const base::Secret& page_key);

}  // namespace sigillo::sealed_store
