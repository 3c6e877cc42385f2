// Anchor: the ledger's head as a private data object in the HSM: the HeadWitness of the store. Attack it
// stops: (1) copy the database, (2) guess until locked, (3) put the copy back. The copy's head is behind.
// PKCS#11 has no compare-and-swap but one: an object is destroyed once, by one caller. So who takes over
// destroys the anchor of before and makes its own. Then a head is recorded by writing it into one of a few
// cells, in turn, and asking after that whether the anchor is still there: whoever takes over destroys it
// first and reads the cells after, so one of the two sees the other. A module that changes no object gets an
// anchor made anew for each head, and the old one destroyed after. No list is believed but one of a module
// that was just loaded: what another process makes, SoftHSM2 may not show to one that has made something
// itself. docs/GUESS_LIMIT.md has the protocol, tests/model searches it. Thread rule: any thread, one at a
// time within.
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
  // for that anchor from its destruction until the new one is made, and says of which epoch that was. The
  // anchor of a copy that writes cells, and such a claim, are of other kinds than those of a version that
  // knows neither: it would believe their heads.
  enum class Kind : base::Byte { legacy = 1, anchor = 2, legacy_claim = 3, cell = 4, holder = 5, claim = 6 };
  using Id = base::ByteArray<16>;
  struct Found {
    hsm::DataHandle handle;
    Kind kind;
    std::uint64_t epoch;
    std::uint64_t speaks_for;  // the same, and of a claim: the epoch that it stands in for
    sealed_store::Head head;
    Id id;
    bool is_claim() const { return kind == Kind::claim || kind == Kind::legacy_claim; }
    bool is_made_anew() const { return kind == Kind::anchor || kind == Kind::legacy; }
  };
  struct Cell {
    hsm::DataHandle handle;
    Id id;
    std::vector<base::Bytes> values;  // what may be in it: as it was written last, and what was tried since
  };
  struct Written {
    std::uint64_t epoch;
    sealed_store::Head head;
  };
  enum class Destroyed : std::uint8_t { by_us, by_another, unsure };

  base::Result<std::vector<Found>> decode(const std::vector<hsm::DataObject>& objects) const;
  base::Result<std::vector<Found>> settled();
  void choose(std::vector<Found> found);
  base::Result<hsm::DataHandle> create(Kind kind, const sealed_store::Head& head);
  base::Result<void> make_cells(const sealed_store::Head& head, hsm::DataHandle canary);
  base::Result<void> drop_cells();
  base::Result<void> look_again(hsm::DataHandle claim);
  base::Result<void> destroy_or_stop(hsm::DataHandle handle);
  base::Result<std::optional<base::Bytes>> read(hsm::DataHandle handle);
  bool we_made(const Id& id) const;
  base::Result<bool> has_anchor();
  base::Result<bool> next_cell_is_ours();
  base::Result<void> record_in_cell(const sealed_store::Head& head);
  base::Result<void> record_anew(const sealed_store::Head& head);
  base::Result<bool> is_there(hsm::DataHandle handle);
  base::Result<Destroyed> destroy(hsm::DataHandle handle);
  base::Result<void> replace_chosen(const sealed_store::Head& accepted);
  base::Result<void> take_back(const sealed_store::Head& head);
  base::Result<void> still_ours(const std::vector<Found>& found);
  base::Result<hsm::DataHandle> draft(const sealed_store::Head& head);
  base::Error fence();
  static base::Error taken_over();
  base::Bytes encode(Kind kind, const sealed_store::Head& head, const Id& id) const;

  hsm::Token& token_;
  const std::string label_;
  const Use use_;
  std::mutex mutex_;
  std::optional<Found> chosen_;  // what a look found newest, and the rest of what it found
  std::vector<Found> others_;    // without the cells
  std::uint64_t epoch_ = 0;      // of what this copy makes: above all that it found
  hsm::DataHandle coin_ = 0;     // our anchor: who destroys it has the next word
  std::vector<Cell> cells_;      // none: the module changes no object
  std::size_t turn_ = 0;         // of the cell that is written next
  std::vector<Written> wrote_;   // into cells: what is in force, and what was tried since
  std::optional<std::pair<hsm::DataHandle, sealed_store::Head>> draft_;  // made, and not yet in force
  std::vector<Id> own_;  // of what else we made since the last object came in force
  bool serves_ = false;  // the last take_over() went through
  bool unsure_ = false;  // whether our anchor was destroyed by us or by another
  bool fenced_ = false;
};

}  // namespace sigillo::appliance
