// The form in which an entry lies in the ledger's table: the same fields as its canonical encoding, which is
// what is hashed, in half the bytes, for the ledger is what grows for ever. Rows of before (the canonical
// form) are read as well. Shape: 2, flags(1), then varints and texts as in ledger_row.cpp; what follows from
// the row's number, the subject or the time is not said again. Thread rule: pure functions.
#pragma once

#include <sealed_store/store.hpp>

namespace sigillo::sealed_store {

base::Bytes pack_row(const LedgerEntry& entry);  // texts beyond their limit are cut, as encode() cuts them
// Errc::corrupt for what is no row, or the row of another number. The hash is not in it.
base::Result<LedgerEntry> unpack_row(std::uint64_t seq, base::ByteView row);

}  // namespace sigillo::sealed_store
