// Anchor: the ledger's head as a private data object in the HSM: the HeadWitness of the store. A head is
// recorded by making a new object first and destroying the old one after; the epoch fences: whoever finds
// another epoch's object beside its own has been taken over, and answers no more. Attack it stops: (1) copy
// the database, (2) guess until locked, (3) put the copy back. The copy's head is behind. PKCS#11 has no
// compare-and-swap, so a node lists after it created, and believes what it then sees. Thread rule: one caller
// at a time (the store's witness thread); recorded() and take_over() before that.
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
    std::uint64_t epoch;
    sealed_store::Head head;
  };
  base::Result<std::vector<Found>> list();
  base::Result<hsm::DataHandle> create(std::uint64_t epoch, const sealed_store::Head& head);

  hsm::Token& token_;
  std::string label_;
  std::mutex mutex_;
  std::uint64_t epoch_ = 0;
  std::optional<sealed_store::Head> seen_;  // what recorded() gave, and take_over() must find unchanged
  std::optional<hsm::DataHandle> current_;
};

}  // namespace sigillo::appliance
