// Restoration: a store of before, on its way back into service: copied beside the store, opened as a
// candidate that nobody serves, compared with the HSM's anchor and with what is left of the ledger after it,
// then changed as the officers' act says, put in place, and only then anchored. The attack it must not open:
// (1) guess up to the limit, (2) have yesterday's store restored, (3) guess on: who was active since is
// locked until re-issue, or everybody where that cannot be said. Killed before the anchor moves, the
// appliance refuses what it finds, and the restore is run again; after it, the restored store is the one that
// opens, and no other. Thread rule: one thread. Never: anchors a store without its marks, or believes a tail
// that the anchor or a ledger key does not vouch for.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "action.hpp"
#include "ledger_tail.hpp"

namespace sigillo::appliance {

struct RestoreOrder {
  std::string backup;               // a folder of `sigillo backup`; or
  std::string store;                // a store's file; or, of neither, what is under the store's name
  std::vector<std::string> ledger;  // exports and segments that continue it, in their order
  bool operator==(const RestoreOrder&) const = default;
};

class Restoration {
 public:
  using Prepared = std::variant<std::unique_ptr<Restoration>, ActionFailure>;
  // Everything is checked here, and nothing but the candidate is made.
  static Prepared prepare(const Config& config, const base::Secret& pin, const base::Clock& clock,
                          const RestoreOrder& order, const Progress& progress);
  ~Restoration();

  const RestoreOrder& order() const { return order_; }
  Assembly& assembly() { return *assembly_; }
  const LedgerTail& tail() const { return tail_; }
  const std::optional<sealed_store::Head>& anchor() const { return anchor_; }
  const sealed_store::Head& snapshot() const { return snapshot_; }
  // Why everybody is locked until re-issue; empty where the tail says who was active.
  const std::string& everybody() const { return everybody_; }
  std::vector<SubjectIndex> marked() const;  // where it is not everybody
  // What officers sign, beside the order itself: from which head, instead of which, and who is locked.
  boost::json::object plan() const;

  // The candidate's last commit was made. Gives the name that the file of before has now.
  base::Result<std::string> finish();

 private:
  Restoration(const Config& config, RestoreOrder order, std::unique_ptr<Assembly> assembly)
      : config_(config), order_(std::move(order)), assembly_(std::move(assembly)) {}
  base::Result<std::string> why_everybody();

  const Config config_;
  RestoreOrder order_;
  std::unique_ptr<Assembly> assembly_;
  sealed_store::Head snapshot_;
  std::optional<sealed_store::Head> anchor_;
  std::string everybody_;
  LedgerTail tail_;
};

}  // namespace sigillo::appliance
