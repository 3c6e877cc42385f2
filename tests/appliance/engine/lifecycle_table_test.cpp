// docs/LIFECYCLE.md is what lifecycle.hpp does, cell by cell: the table is made from the code and compared
// with the one that is checked in. SIGILLO_REWRITE_TABLES=1 writes it anew.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <appliance/lifecycle.hpp>

namespace sigillo::appliance::lifecycle {
namespace {

constexpr base::Instant kNow{1'780'000'000'000};

struct Start {
  const char* name;
  SubjectRecord record;
};

ProvisionalHalf half(base::Instant dies) {
  ProvisionalHalf made;
  made.dies = dies;
  return made;
}

std::vector<Start> starts() {
  const auto made = [](auto state, bool accessed) {
    SubjectRecord record;
    record.generation = 1;
    record.state = std::move(state);
    if (accessed) record.first_access = kNow - base::days(1);
    return record;
  };
  const base::Instant later = kNow + base::days(1);
  return {{"none", SubjectRecord{}},
          {"provisional", made(Provisional{half(later), half(later), false, later}, false)},
          {"provisional, of a counter", made(Provisional{half(later), half(later), true, later}, false)},
          {"lapsed", made(Provisional{half(kNow), half(kNow), false, kNow}, false)},
          {"active", made(Definitive{{}, later}, true)},
          {"expired", made(Definitive{{}, kNow}, true)},
          {"blocked", made(Blocked{}, true)},
          {"blocked, never accessed", made(Blocked{}, false)},
          {"revoked", made(Revoked{}, true)}};
}

std::string text(Refusal refusal) {
  if (refusal == Refusal::credential_exists) return "409 credential-exists";
  if (refusal == Refusal::branch_required) return "409 branch-required";
  if (refusal == Refusal::no_credential) return "409 no-credential";
  ADD_FAILURE() << "a refusal that the table has no word for";
  return "?";
}

std::string next(const SubjectRecord& record) {
  return " → " + std::string(name(state_of(record, kNow)));
}

std::string pin_cell(const SubjectRecord& record, bool whole, Use use) {
  const auto against_what = against(record, whole, kNow);
  const auto decision = decide(record, PinShown{use, against_what, true}, kNow);
  const std::string count = decision.clears_count ? ", count 0" : ", count kept";
  switch (decision.outcome) {
    case PinDecision::Outcome::rejected:
      return "rejected";
    case PinDecision::Outcome::expired:
      return "expired" + count;
    case PinDecision::Outcome::accepted:
      break;
  }
  std::string cell = "right" + count;
  if (use == Use::activate) cell += next(activate(record, {}, Policy::inps(), kNow));
  if (use == Use::renew) cell += next(renew(record, {}, Policy::inps(), kNow));
  return cell;
}

std::string pins() {
  std::ostringstream out;
  out << "## A PIN is shown that is right\n\n"
         "Each cell is for the characters that are right in that state; where none are, for any. A wrong PIN "
         "is\n"
         "rejected everywhere. Whatever is rejected stays charged.\n\n"
         "| state | shown | verify | activate | renew | convert | authorize | contacts |\n"
         "|---|---|---|---|---|---|---|---|\n";
  for (const auto& [state, record] : starts()) {
    for (const bool whole : {false, true}) {
      out << "| " << state << " | " << (whole ? "16" : "8") << " |";
      for (const Use use :
           {Use::verify, Use::activate, Use::renew, Use::convert, Use::authorize, Use::change_contacts})
        out << ' ' << pin_cell(record, whole, use) << " |";
      out << '\n';
    }
  }
  return out.str();
}

std::string issue_cell(const SubjectRecord& record, Way way) {
  const auto decided = decide(record, Issue{way}, Policy::inps(), kNow);
  if (const auto* refusal = std::get_if<Refusal>(&decided)) return text(*refusal);
  const auto& issue = std::get<IssueDecision>(decided);
  std::string cell(name(issue.level));
  cell += issue.count == CountEffect::end_all ? ", count 0" : ", count of its own kept";
  if (issue.refill) cell += ", a refill";
  if (issue.grants_deferred) cell += ", grants";
  return cell + next(apply(record, Issued{issue, {}, {}}, Policy::inps(), kNow));
}

std::string issues() {
  std::ostringstream out;
  out << "## A credential is issued\n\n"
         "*Of its own*: what was charged while no credential was live ends with any issue. *A refill* "
         "counts\n"
         "towards `policy.recovery.limit`. *Grants*: deferred authorizations become granted. After a portal\n"
         "revocation a portal request with another postal address than the registered one is 409\n"
         "`branch-required` for 30 days. The mark of a restore (`docs/GUESS_LIMIT.md`) ends where it says\n"
         "*count 0*, and with the first credential of who never had one.\n\n"
         "| state | portal | contact centre | branch | recovery | substitution |\n"
         "|---|---|---|---|---|---|\n";
  for (const auto& [state, record] : starts()) {
    out << "| " << state << " |";
    for (const Way way : {Way::portal, Way::contact_centre, Way::branch, Way::recovery, Way::substitution})
      out << ' ' << issue_cell(record, way) << " |";
    out << '\n';
  }
  return out.str();
}

std::string change_cell(const std::variant<Refusal, SubjectRecord>& changed) {
  const auto* record = std::get_if<SubjectRecord>(&changed);
  return record == nullptr ? text(std::get<Refusal>(changed)) : "count kept" + next(*record);
}

std::string recoverable_text(const SubjectRecord& record) {
  switch (recoverable(record, kNow)) {
    case Recoverable::yes:
      return "link sent";
    case Recoverable::never_accessed:
      return "not eligible";
    case Recoverable::no:
      return "rejected";
  }
  std::abort();
}

std::string ends() {
  std::ostringstream out;
  out << "## It is blocked, revoked, or a link for it is asked for\n\n"
         "| state | block | revoke at a branch | revocation link | recovery link |\n"
         "|---|---|---|---|---|\n";
  for (const auto& [state, record] : starts()) {
    out << "| " << state << " | " << change_cell(block(record, kNow)) << " | "
        << change_cell(revoke(record, RevokedBy::branch, kNow)) << " | "
        << (portal_may_revoke(record, kNow) ? "link sent" : "rejected") << " | " << recoverable_text(record)
        << " |\n";
  }
  return out.str();
}

std::string table() {
  return "# The life of a credential, cell by cell\n\n"
         "Made from `appliance/lifecycle.hpp` by `tests/appliance/engine/lifecycle_table_test.cpp`, which "
         "fails\n"
         "where the two differ and, with `SIGILLO_REWRITE_TABLES=1`, writes this file anew. The rules are "
         "the\n"
         "product's; what the clock does (lapsed, expired) is a state here.\n\n" +
         pins() + "\n" + issues() + "\n" + ends();
}

TEST(LifecycleTable, TheCheckedInTableIsTheCodes) {
  const std::string made = table();
  if (std::getenv("SIGILLO_REWRITE_TABLES") != nullptr) std::ofstream(SIGILLO_LIFECYCLE_TABLE) << made;
  std::ifstream file(SIGILLO_LIFECYCLE_TABLE);
  const std::string kept{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(kept, made) << "docs/LIFECYCLE.md would be:\n" << made;
}

}  // namespace
}  // namespace sigillo::appliance::lifecycle
