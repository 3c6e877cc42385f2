// The operations, one function each: what a handler of the contract does between the door and the answer.
// Each is a coroutine over one Session; what changes a subject first takes the subject's turn. Grouped by
// file: op_issue, op_pin, op_conversion, op_recovery, op_revocation, op_contacts, op_outbox, op_audit. Thread
// rule: as Session.
#pragma once

#include "session.hpp"

namespace sigillo::appliance {

base::Task<Reply> run(Session& session, const RequestPin& request);
base::Task<Reply> run(Session& session, const RemakeHalf& request);
base::Task<Reply> run(Session& session, const Verify& request);
base::Task<Reply> run(Session& session, const Activate& request);
base::Task<Reply> run(Session& session, const Renew& request);
base::Task<Reply> run(Session& session, const OpenConversion& request);
base::Task<Reply> run(Session& session, const SubmitEvidence& request);
base::Task<Reply> run(Session& session, const DecideConversion& request);
base::Task<Reply> run(Session& session, const GetConversion& request);
base::Task<Reply> run(Session& session, const Authorize& request);
base::Task<Reply> run(Session& session, const GetAuthorization& request);
base::Task<Reply> run(Session& session, const Recover& request);
base::Task<Reply> run(Session& session, const ConfirmRecovery& request);
base::Task<Reply> run(Session& session, const Revoke& request);
base::Task<Reply> run(Session& session, const ConfirmRevocation& request);
base::Task<Reply> run(Session& session, const Block& request);
base::Task<Reply> run(Session& session, const ChangeContacts& request);
base::Task<Reply> run(Session& session, const GetStatus& request);
base::Task<Reply> run(Session& session, const LeaseDeliveries& request);
base::Task<Reply> run(Session& session, const AckDeliveries& request);
base::Task<Reply> run(Session& session, const GetKeys& request);
base::Task<Reply> run(Session& session, const ReadLedger& request);
base::Task<Reply> run(Session& session, const GetCheckpoint& request);
base::Task<Reply> run(Session& session, const RefusedAtDoor& request);

// ---- shared by several operations
// -----------------------------------------------------------------------------------

// A subject with its turn taken and its record read. Held to the end of the operation.
struct Loaded {
  SubjectIndex index;
  SubjectQueue::Turn turn;
  SubjectRecord record;
};
base::Task<std::variant<Reply, Loaded>> load(Session& session, const Subject& subject);
base::Task<std::variant<Reply, Loaded>> load(Session& session, SubjectIndex index);

sealed_store::Put put_subject(const Context& context, const SubjectIndex& index, const SubjectRecord& record);

// The halves of a new credential, drawn, verified, sealed and put into `changes` together with the subject's
// record.
struct Leg {
  Half half;
  Destination to;
};
struct IssueOrder {
  SubjectIndex subject;
  std::string hint;
  lifecycle::Way way;
  lifecycle::IssueDecision decision;
  std::vector<Leg> legs;
};
struct IssuedCredential {
  PinRequested answer;
  bool secret = false;  // the answer carries a sealed PIN
};
base::Task<std::variant<Reply, IssuedCredential>> issue(Session& session, Changes& changes,
                                                        SubjectRecord record, IssueOrder order);
// A document that has expired (in Rome) proves nothing, whoever holds it.
bool evidence_expired(const Session& session, const std::optional<Evidence>& evidence);
// What an issue does to the PIN counter, written on `event`; `before`: who it was issued to.
struct CountBefore {
  sealed_store::GuardValue value;
  bool issued_once = true;
};
CountBefore count_before(const Session& session, const SubjectIndex& subject, const SubjectRecord& record);
void set_count(const Session& session, sealed_store::Event& event, const SubjectIndex& subject,
               const CountBefore& before, lifecycle::CountEffect effect);
// At a branch the counters of contacts and health cards end.
void end_other_counters(const Session& session, Changes& changes, const SubjectIndex& subject);

// Every deferred authorization of the subject becomes `to`, its date kept. Errors are the store's.
base::Result<void> turn_deferred(Session& session, Changes& changes, const SubjectIndex& subject,
                                 SubjectRecord& record, AuthorizationState to);

// Contacts given replace registered ones; what is equal keeps its age and confirmation. `since`: when they
// began to be the subject's; what comes with a first request was always so, what is added or replaced later
// waits out its quarantine. True where something changed.
bool register_contacts(RegisteredContacts& registered, const Contacts& given, base::Instant since);
// A half or a link that was used confirms the contact it went to: the one that was registered when it was
// sent. True where something changed.
bool confirm_contact(RegisteredContacts& registered, Medium medium, base::Instant sent);
ContactsNow masked(const RegisteredContacts& contacts);

// Deliveries that have not left yet and are dead now: a half that was made anew, a credential that ended.
// `half`: only these.
base::Task<base::Result<void>> withdraw(Session& session, Changes& changes,
                                        std::vector<IssuedDelivery> deliveries,
                                        std::optional<Half> half = std::nullopt);

// So long a use of a contact counts towards the alarm.
inline constexpr base::Duration kContactWindow = base::days(30);
// A contact that is given for many subjects raises an alarm, an event and a line in the log.
base::Task<bool> note_contact_use(Session& session, Changes& changes, SubjectIndex subject,
                                  const Contacts& given);

}  // namespace sigillo::appliance
