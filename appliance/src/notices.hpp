// Notices: the citizen is told, at the contacts that were there before, of whatever changed.
// Thread rule: as outbox.hpp.
#pragma once

#include "outbox.hpp"

namespace sigillo::appliance {

// To every electronic contact of `before`; by post where there is none. Nothing where nothing was registered.
void add_notices(const Context& context, sealed_store::Changes& changes, const RegisteredContacts& before,
                 const SubjectIndex& subject, const std::string& hint, NoticeEvent event, base::Instant now);
// In a commit of its own after the answer: that a PIN is locked is told to the citizen, and the answer that
// locked it took no longer than one about a subject who is unknown.
void send_notices_later(const Context& context, const SubjectIndex& subject, NoticeEvent event);

}  // namespace sigillo::appliance
