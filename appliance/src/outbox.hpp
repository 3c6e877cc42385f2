// Outbox: what leaves for a citizen. A parcel is sealed (JWE) to one courier of its medium, or to the desk
// that asked, and put into the same commit as what it is about; from then on the appliance can not open it
// again, and no other courier is given it. Thread rule: pure but for the seal's randomness.
#pragma once

#include "context.hpp"

namespace sigillo::appliance {

// Where a parcel goes; exactly the address that its medium needs.
struct Destination {
  Medium medium = Medium::sms;
  std::string address;                  // mobile, email, pec
  std::optional<PostalAddress> postal;  // post
  std::string masked() const;
};
// Of contacts as given or as registered; nothing where the medium's address is missing.
std::optional<Destination> destination(Medium medium, const Contacts& contacts);
Contacts plain(const RegisteredContacts& contacts);

struct Parcel {
  MessageKind kind = MessageKind::notice;
  Destination to;
  SubjectIndex subject{};
  std::string subject_hint;
  const base::Secret* secret = nullptr;  // the PIN as shown, or the link's token
  std::string reference;                 // of a link: recovery or revocation id
  base::Instant expires{};
  std::optional<NoticeEvent> event;
};

// One at a time per medium: a lease, an acknowledgement and a withdrawal never cross. Taken after a subject's
// turn, in the order of the media, so that no two calls wait for each other.
SubjectIndex outbox_turn(Medium medium);

// Whose key a delivery is sealed to, of its medium's couriers. One of before that was written says it by the
// `kid` of its seal; where that is of none or of two of them, it is his whose queue is the medium's, as ever.
// Nothing where that is nobody's.
ChannelPtr recipient(const std::vector<ChannelPtr>& couriers, const DeliveryRecord& record);
bool is_open(DeliveryState state);

// Queues it for the medium's courier, which may be suspended: it waits then. Refusal::delivery_not_possible
// where no courier has a delivery key.
std::variant<Refusal, Id> post(const Context& context, sealed_store::Changes& changes, const Parcel& parcel,
                               base::Instant now);
// A delivery ends: its text goes at once, its outcome is kept a while for status.
void end_delivery(const Context& context, sealed_store::Changes& changes, const Id& id, DeliveryRecord record,
                  DeliveryState state, base::Instant now);
// The same of one that has come back to its queue and is past its time, or was given out as often as may be,
// or whose courier is revoked, and nobody else's key opens it: then the ledger says so, and `ended` has it.
// False: it goes out again.
bool give_up(const Context& context, sealed_store::Changes& changes, const Id& id,
             const DeliveryRecord& record, const ChannelPtr& courier, base::Instant now,
             Figures::Deliveries& ended);
// Seals it for the channel that asked (voice, counter): the JWE, and its delivery id.
struct Handed {
  Id id;
  std::string sealed;
};
std::variant<Refusal, Handed> hand_over(const Context& context, const Channel& desk, const Parcel& parcel,
                                        base::Instant now);

}  // namespace sigillo::appliance
