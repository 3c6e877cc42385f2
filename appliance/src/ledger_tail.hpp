// LedgerTail: what the ledger says happened after a snapshot, out of exports and segments, for a restore. It
// continues the snapshot's head entry by entry, or it is refused; whether it reaches what the HSM has
// anchored decides whether it is all of it. Believed is what the anchor's hash vouches for, and beyond that,
// or where it does not reach so far, only what a ledger key of the token has signed. Thread rule: a value,
// read by one thread. Never: changes anything.
#pragma once

#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <appliance/channel.hpp>
#include <appliance/export_check.hpp>
#include <appliance/officers.hpp>

namespace sigillo::appliance {

struct LedgerTail {
  sealed_store::Head end;  // the snapshot's own where there is no tail
  bool reaches_anchor = false;
  bool has_restore = false;  // whom that marked, this does not say

  std::set<SubjectIndex> active;                                        // charged or changed, known or not
  std::map<sealed_store::GuardKey, sealed_store::GuardValue> counters;  // the last value of each
  std::set<SubjectIndex> contacts;                                      // whose contacts may be others by now
  std::map<SubjectIndex, std::string> erased;                           // by what reason
  std::map<Id, AuthorizationState> authorizations;
  std::map<std::string, ChannelStatus> channels;  // "portal:portal"; not active, or renewed: suspended
  std::map<std::string, OfficerStatus> officers;

  // Files in their order. Else a sentence that says what is wrong with them.
  static std::variant<LedgerTail, std::string> read(const std::vector<std::string>& files,
                                                    const ExportCheck::Keys& keys,
                                                    const sealed_store::Head& snapshot,
                                                    const std::optional<sealed_store::Head>& anchor);
  void note(const sealed_store::LedgerEntry& entry);

 private:
  void note_shut(const sealed_store::Event& event);
};

}  // namespace sigillo::appliance
