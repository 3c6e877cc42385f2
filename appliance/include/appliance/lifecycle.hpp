// Lifecycle: the life of a credential as one pure function, decide(record, input, policy, now), overloaded by
// input. No clock, no disk, no HSM, no randomness: verifiers and identifiers come in ready. docs/LIFECYCLE.md
// has its table, and a test holds the two together. A Refusal changes nothing. Thread rule: pure functions.
#pragma once

#include <variant>

#include <appliance/answers.hpp>
#include <appliance/policy.hpp>
#include <appliance/records.hpp>

namespace sigillo::appliance::lifecycle {

// ---- a PIN is shown
// -------------------------------------------------------------------------------------------------

// Which verifiers the shown PIN is held against: by its length and the state alone. `nothing` means a dummy
// comparison with the same work.
enum class Against : std::uint8_t { nothing, first_half, halves, definitive };
Against against(const SubjectRecord& record, bool whole, base::Instant now);

enum class Use : std::uint8_t { verify, activate, renew, convert, authorize, change_contacts };

struct PinShown {
  Use use;
  Against against;
  bool match;
};
struct PinDecision {
  enum class Outcome : std::uint8_t { rejected, expired, accepted } outcome = Outcome::rejected;
  Presented presented = Presented::definitive;
  bool clears_count = false;  // a right definitive PIN or 16 characters; never the first half alone
};
// Fails closed: the outcome is `rejected` unless everything held. The wrong kind of PIN for a use is
// rejected, however right it is, and clears nothing: else the use would tell a guesser that it was right.
PinDecision decide(const SubjectRecord& record, const PinShown& input, base::Instant now);

std::vector<Scope> scopes(Presented presented, Level level);

// ---- a credential is issued
// -----------------------------------------------------------------------------------------

enum class Way : std::uint8_t { portal, contact_centre, branch, recovery, substitution };

struct Issue {
  Way way;
  bool registered_postal = true;  // the request gives the postal address that is registered
};
// What an issue does to the PIN counter: everything, only what was charged while nothing was live, and so on.
enum class CountEffect : std::uint8_t { end_unowned, end_all };
struct IssueDecision {
  Level level;
  CountEffect count;
  bool refill;           // counts against policy.recovery.limit
  bool grants_deferred;  // substitution and branch issue
};
std::variant<Refusal, IssueDecision> decide(const SubjectRecord& record, const Issue& input,
                                            const Policy& policy, base::Instant now);

struct Issued {
  IssueDecision decision;
  Id credential;
  Provisional halves;  // `expires` is set here
};
SubjectRecord apply(SubjectRecord record, Issued input, const Policy& policy, base::Instant now);

// ---- and lives
// ------------------------------------------------------------------------------------------------------

// After an accepted PinShown for activation or renewal.
SubjectRecord activate(SubjectRecord record, const PinVerifier& definitive, const Policy& policy,
                       base::Instant now);
SubjectRecord renew(SubjectRecord record, const PinVerifier& definitive, const Policy& policy,
                    base::Instant now);

enum class LetterRule : std::uint8_t {
  refusable,
  counted_only
};  // the letter of a request counts, and is never refused
// Whether one more half may go by this medium now; notes it where it may.
std::variant<Refusal, SubjectRecord> send_half(SubjectRecord record, Medium medium, LetterRule rule,
                                               const Policy& policy, base::Instant now);

std::variant<Refusal, SubjectRecord> block(SubjectRecord record, base::Instant now);
enum class RevokedBy : std::uint8_t { portal, branch };
std::variant<Refusal, SubjectRecord> revoke(SubjectRecord record, RevokedBy by, base::Instant now);
// Whether a portal may open a revocation or a recovery for this state; Refusal::no_credential is told to
// nobody.
bool portal_may_revoke(const SubjectRecord& record, base::Instant now);
enum class Recoverable : std::uint8_t { yes, never_accessed, no };
Recoverable recoverable(const SubjectRecord& record, base::Instant now);
// Ordinary becomes dispositive.
SubjectRecord convert(SubjectRecord record);

}  // namespace sigillo::appliance::lifecycle
