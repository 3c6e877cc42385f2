// The ledger entry's canonical encoding, its hash, and the check of a chain. Used by the store when it appends, and by
// `sigillo audit verify` offline. The encoding is fixed for ever (docs/LEDGER.md gives it byte by byte).
// Thread rule: pure functions.
#pragma once

#include <sealed_store/store.hpp>

namespace sigillo::sealed_store {

base::Bytes encode(const LedgerEntry& entry);  // without the hash
base::Result<LedgerEntry> decode(base::ByteView encoded);
// SHA-256("sigillo/ledger/v1" || previous || encode(entry)); previous is 32 zero bytes for the first entry.
base::Digest chain_hash(const base::Digest& previous, const LedgerEntry& entry);

}  // namespace sigillo::sealed_store
