// Anchor: the ledger's head as a private data object in the HSM: the HeadWitness of the store. A head is
// recorded by making a new object first and destroying the old one after. That destruction is the
// compare-and-swap which PKCS#11 does not have: of two copies that both want to replace one object, exactly
// one destroys it, and the other is fenced. Attack it stops: (1) copy the database, (2) guess until locked,
// (3) put the copy back. The copy's head is behind. Thread rule: any thread, one at a time within.
#pragma once

#include <mutex>

#include <hsm/token.hpp>
#include <sealed_store/store.hpp>

namespace sigillo::appliance {

class Anchor final : public sealed_store::HeadWitness {
 public:
  Anchor(hsm::Token& token, std::uint32_t node);

  base::Result<std::optional<sealed_store::Head>> recorded() override;
  base::Result<void> take_over(const sealed_store::Head& accepted) override;
  base::Result<void> record(const sealed_store::Head& head) override;
  // Errc::fenced where another copy has taken over since; asked on a timer, so that an idle copy notices too.
  base::Result<void> check();

 private:
  struct Found {
    hsm::DataHandle handle;
    bool claim;
    std::uint64_t epoch;
    sealed_store::Head head;
  };
  base::Result<std::vector<Found>> list();
  // Destroys `current_` in favour of `mine`; Errc::fenced where somebody else has done so.
  base::Result<void> replace(hsm::DataHandle mine);
  base::Result<void> clear_leftovers();
  bool taken_over(const std::vector<Found>& found) const;

  hsm::Token& token_;
  std::string label_;
  std::mutex mutex_;
  std::uint64_t epoch_ = 0;
  std::optional<hsm::DataHandle> current_;  // the object that the next one replaces
};

}  // namespace sigillo::appliance
