// The ledger entry's canonical encoding, its hash, and the check of a chain. Used by the store when it
// appends, and by `sigillo audit verify` offline. The encoding is fixed for ever (docs/LEDGER.md gives it
// byte by byte). Shape, integers big-endian: version(1)=1 seq(8) node(4) time_ms(8) kind(2) outcome(2)
// subject(16) attempt(8), then channel, operator, reference each as length(1) and bytes, then flags(1) and in
// this order what they announce: 0x01 guard: subject(16) counter(1) failures(2) unowned(2) last_ms(8); 0x02
// root(32); 0x04 guard_hash(32). Thread rule: pure functions.
#pragma once

#include <sealed_store/store.hpp>

namespace sigillo::sealed_store {

// Bytes of an entry's texts; what is longer is cut.
inline constexpr std::size_t kChannelMax = 80;
inline constexpr std::size_t kOperatorMax = 64;
inline constexpr std::size_t kReferenceMax = 128;  // a signature of ES256 is 86 characters of base64url

base::Bytes encode(const LedgerEntry& entry);  // without the hash; texts beyond their limit are cut
base::Result<LedgerEntry> decode(base::ByteView encoded);  // Errc::corrupt for any other shape
// SHA-256("sigillo/ledger/v1" || previous || encode(entry)); previous is 32 zero bytes for the first entry.
base::Digest chain_hash(const base::Digest& previous, const LedgerEntry& entry);

}  // namespace sigillo::sealed_store
