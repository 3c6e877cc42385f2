// HeadWitness: where the ledger's head is kept outside the database, so that a database put back shows (the
// HSM: appliance/anchor). The store asks it; it never asks the store. Thread rule: the store's witness
// thread, and the one that opens the store.
#pragma once

#include <optional>

#include <base/result.hpp>
#include <sealed_store/values.hpp>

namespace sigillo::sealed_store {

class HeadWitness {
 public:
  virtual ~HeadWitness() = default;
  // The newest head that was recorded, by anyone; nothing on a new appliance.
  virtual base::Result<std::optional<Head>> recorded() = 0;
  // After the store accepted recorded(): raise the epoch. Every other running copy is fenced from here on.
  virtual base::Result<void> take_over(const Head& accepted) = 0;
  // On return the head is recorded for good and no other copy has taken over; Errc::fenced where one has.
  virtual base::Result<void> record(const Head& head) = 0;
};

}  // namespace sigillo::sealed_store
