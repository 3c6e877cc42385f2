// Links: the confirmation of a recovery or a revocation. A token of 256 random bits goes to the citizen, its
// verifier stays; a link dies at its fifth wrong token, at its time, or once it was used. Its guard is its
// own, by its id. Thread rule: as ops.hpp.
#pragma once

#include "ops.hpp"

namespace sigillo::appliance {

struct LinkOrder {
  bool recovery = true;
  SubjectIndex subject{};
  Id credential{};
  std::string hint;
  Destination to;
  bool registered = false;  // of a revocation: that is the registered contact
};
// Draws the token, seals it for the courier, puts the link into `changes`; the link's id.
base::Task<std::variant<Reply, Id>> send_link(Session& session, Changes& changes, LinkOrder order);

// A token was shown for a link: charged on the link's own guard and compared. Settled and answered here
// unless right.
struct RightToken {
  Id id;
  LinkRecord link;
  ChargedAttempt attempt;
  Loaded subject;
};
base::Task<std::variant<Reply, RightToken>> confirm_link(Session& session, bool recovery,
                                                         const std::string& link_id,
                                                         const std::optional<LinkToken>& token);
// What a confirmation leaves of its link: used, and its counter gone.
void close_link(Session& session, Changes& changes, RightToken& link);

}  // namespace sigillo::appliance
