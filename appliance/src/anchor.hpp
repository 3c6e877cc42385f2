// Anchor: the ledger's head as a private data object in the HSM: the HeadWitness of the store. Attack it
// stops: (1) copy the database, (2) guess until locked, (3) put the copy back. The copy's head is behind.
// PKCS#11 has no compare-and-swap but one: an object is destroyed once, by one caller. So a head is recorded
// by making the new object first and destroying the old one after, and whoever finds the old one gone has
// been taken over, and answers no more. No list is believed but one of a module that was just loaded: what
// another process makes, SoftHSM2 may not show to one that has made something itself. docs/GUESS_LIMIT.md has
// the protocol, tests/model searches it. Thread rule: any thread, one at a time within.
#pragma once

#include <mutex>

#include <appliance/backup_manifest.hpp>
#include <hsm/token.hpp>
#include <sealed_store/store.hpp>

namespace sigillo::appliance {

class Anchor final : public sealed_store::HeadWitness {
 public:
  // Founding, restoring: there may be no anchor yet. Elsewhere a token without one is another: refused.
  enum class Use : std::uint8_t { running, founding };
  Anchor(hsm::Token& token, std::uint32_t node, Use use = Use::running);

  base::Result<std::optional<sealed_store::Head>> recorded() override;
  base::Result<void> take_over(const sealed_store::Head& accepted) override;
  base::Result<void> record(const sealed_store::Head& head) override;
  // Errc::fenced where another copy has taken over since; asked on a timer, so that an idle copy notices too.
  base::Result<void> check();
  // The newest head, from beside a running appliance: nothing is begun with it.
  base::Result<std::optional<sealed_store::Head>> newest();
  // The same with its epoch, as a backup's manifest has it.
  base::Result<AnchorPosition> position();

 private:
  // A claim is a copy's wish to take over, with the head of the anchor that it means to replace: it stands in
  // for that anchor from its destruction until the new one is made.
  enum class Kind : base::Byte { legacy = 1, anchor = 2, claim = 3 };
  using Id = base::ByteArray<16>;
  struct Found {
    hsm::DataHandle handle;
    bool anchor;
    std::uint64_t epoch;
    sealed_store::Head head;
    Id id;
  };
  enum class Destroyed : std::uint8_t { by_us, by_another, unsure };

  base::Result<std::vector<Found>> decode(const std::vector<hsm::DataObject>& objects) const;
  base::Result<std::vector<Found>> settled();
  void choose(std::vector<Found> found);
  base::Result<hsm::DataHandle> create(Kind kind, std::uint64_t epoch, const sealed_store::Head& head);
  base::Result<bool> is_there(hsm::DataHandle handle);
  base::Result<Destroyed> destroy(hsm::DataHandle handle);
  base::Result<void> replace_chosen(const sealed_store::Head& accepted);
  base::Result<void> take_back(const sealed_store::Head& head);
  base::Result<void> still_ours(const std::vector<Found>& found);
  base::Result<hsm::DataHandle> draft(const sealed_store::Head& head);
  base::Error fence();

  hsm::Token& token_;
  const std::string label_;
  const Use use_;
  std::mutex mutex_;
  std::optional<Found> chosen_;  // what a look found newest, and the rest of what it found
  std::vector<Found> others_;
  std::uint64_t epoch_ = 0;   // of what this copy makes: above all that it found
  hsm::DataHandle coin_ = 0;  // our anchor: who destroys it has the next word
  std::optional<std::pair<hsm::DataHandle, sealed_store::Head>> draft_;  // made, and not yet in force
  std::vector<Id> own_;  // of what we made since the last object came in force
  bool unsure_ = false;  // whether our anchor was destroyed by us or by another
  bool fenced_ = false;
};

}  // namespace sigillo::appliance
