// Erasure: all that is kept of a subject leaves the store, and the ledger says so. What points at a subject
// is found three ways: its record by its index, what waits in queues by looking at all of it, what is in no
// queue by the index of what is held. The appliance may serve meanwhile: the subject's turn is held from
// beginning to end, the couriers' turns for the last commit alone. Thread rule: a thread that has nothing
// else to do, for all that is read is read on it; never one that answers.
// Never: touches a guess counter of the subject, or an entry of the ledger.
#pragma once

#include "context.hpp"

namespace sigillo::appliance {

// What an erasure took out of the store.
struct Erased {
  bool known = false;  // there was a record of the subject
  std::size_t deliveries = 0, links = 0, conversions = 0, authorizations = 0, contact_uses = 0;
  std::uint32_t wrong_guesses = 0;  // in a row, of the PIN: the count stays
  std::uint64_t seq = 0;            // the ledger entry that says so
};

// The same, of one who is known by the ledger's name for him only.
base::Result<Erased> erase(const Context& context, const SubjectIndex& index, sealed_store::Event event);

// `event` says by whom and why; the subject is filled in.
base::Result<Erased> erase(const Context& context, const Subject& subject, sealed_store::Event event);

}  // namespace sigillo::appliance
