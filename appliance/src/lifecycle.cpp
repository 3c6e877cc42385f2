#include <appliance/lifecycle.hpp>

#include <algorithm>

namespace sigillo::appliance::lifecycle {
namespace {

// Refills that still count: within the window, and the PIN that came of them was not activated.
std::size_t refills_in_window(const SubjectRecord& record, const Policy& policy, base::Instant now) {
  return static_cast<std::size_t>(std::ranges::count_if(record.refills, [&](const Refill& refill) {
    return !refill.activated && now < refill.at + policy.recovery.window;
  }));
}

bool refills_left(const SubjectRecord& record, const Policy& policy, base::Instant now) {
  return refills_in_window(record, policy, now) < policy.recovery.limit;
}

// A half counts while its credential does, and an electronic one made on demand for its own shorter time.
bool alive(const std::optional<ProvisionalHalf>& half, base::Instant now) {
  return half && now < half->dies;
}

void forget_before(std::vector<base::Instant>& sent, base::Instant limit) {
  std::erase_if(sent, [limit](base::Instant at) { return at <= limit; });
}

std::size_t sent_since(const std::vector<base::Instant>& sent, base::Instant limit) {
  return static_cast<std::size_t>(
      std::ranges::count_if(sent, [limit](base::Instant at) { return at > limit; }));
}

}  // namespace

Against against(const SubjectRecord& record, bool whole, base::Instant now) {
  switch (state_of(record, now)) {
    case State::provisional: {
      const auto& halves = std::get<Provisional>(record.state);
      if (whole)
        return alive(halves.first, now) && alive(halves.second, now) ? Against::halves : Against::nothing;
      return !halves.counter && alive(halves.first, now) ? Against::first_half : Against::nothing;
    }
    case State::active:
    case State::expired:
      return whole ? Against::nothing : Against::definitive;
    case State::none:
    case State::lapsed:
    case State::blocked:
    case State::revoked:
      return Against::nothing;
  }
  std::abort();
}

PinDecision decide(const SubjectRecord& record, const PinShown& input, base::Instant now) {
  PinDecision decision;
  if (!input.match || input.against == Against::nothing) return decision;
  const bool verify = input.use == Use::verify;
  switch (input.against) {
    case Against::nothing:
      return decision;
    case Against::first_half:
      // Attack: (1) hold the first half, (2) guess at the second nine times, (3) show the first half to
      // refill, (4) go on. So the first half alone never clears the count.
      if (verify) decision = {PinDecision::Outcome::accepted, Presented::first_half, false};
      return decision;
    case Against::halves:
      if (verify || input.use == Use::activate)
        decision = {PinDecision::Outcome::accepted, Presented::provisional, true};
      return decision;
    case Against::definitive: {
      if (input.use == Use::activate) return decision;
      const bool expired = state_of(record, now) == State::expired && input.use != Use::renew;
      decision = {expired ? PinDecision::Outcome::expired : PinDecision::Outcome::accepted,
                  Presented::definitive, true};
      return decision;
    }
  }
  std::abort();
}

std::vector<Scope> scopes(Presented presented, Level level) {
  std::vector<Scope> out{Scope::portal_explore, Scope::profile_manage};
  if (presented == Presented::definitive) {
    out.push_back(Scope::records_read);
    out.push_back(level == Level::dispositive ? Scope::claims_submit : Scope::claims_defer);
  }
  return out;
}

std::variant<Refusal, IssueDecision> decide(const SubjectRecord& record, const Issue& input,
                                            const Policy& policy, base::Instant now) {
  const State state = state_of(record, now);
  switch (input.way) {
    case Way::portal:
    case Way::contact_centre:
    case Way::branch: {
      if (is_live(state)) return Refusal::credential_exists;
      const auto* revoked = std::get_if<Revoked>(&record.state);
      if (input.way == Way::branch) {
        const auto count = revoked != nullptr ? CountEffect::end_all : CountEffect::end_unowned;
        return IssueDecision{Level::dispositive, count, false, true};
      }
      // Attack: (1) photograph a health card, (2) revoke at the portal by a link to one's own address, (3)
      // request a new PIN to one's own address. The post must go where it always went, for 30 days, whatever
      // was issued and lapsed or ended meanwhile; where no address is registered, it takes a branch.
      if (input.way == Way::portal && record.portal_revoked &&
          now < *record.portal_revoked + base::days(30) && !input.registered_postal) {
        return Refusal::branch_required;
      }
      if (revoked == nullptr) return IssueDecision{Level::ordinary, CountEffect::end_unowned, false, false};
      if (!refills_left(record, policy, now)) return Refusal::branch_required;
      return IssueDecision{Level::ordinary, CountEffect::end_all, true, false};
    }
    case Way::recovery: {
      if (recoverable(record, now) != Recoverable::yes) return Refusal::no_credential;
      if (!refills_left(record, policy, now)) return Refusal::branch_required;
      return IssueDecision{policy.recovery.keeps_level ? record.level : Level::ordinary, CountEffect::end_all,
                           true, false};
    }
    case Way::substitution:
      if (!is_live(state)) return Refusal::no_credential;
      return IssueDecision{Level::dispositive, CountEffect::end_all, false, true};
  }
  std::abort();
}

SubjectRecord apply(SubjectRecord record, Issued input, const Policy& policy, base::Instant now) {
  ++record.generation;
  record.credential = input.credential;
  record.level = input.decision.level;
  input.halves.expires = now + policy.credential.provisional_validity;
  for (auto* half : {&input.halves.first, &input.halves.second}) {
    if (*half && (*half)->dies == base::Instant{}) (*half)->dies = input.halves.expires;
  }
  record.state = std::move(input.halves);
  record.issued = now;
  record.first_access.reset();
  record.conversion.reset();
  record.recovery.reset();
  record.revocation.reset();
  std::erase_if(record.refills,
                [&](const Refill& refill) { return now >= refill.at + policy.recovery.window; });
  if (input.decision.refill) record.refills.push_back({now, record.generation, false});
  return record;
}

SubjectRecord activate(SubjectRecord record, const PinVerifier& definitive, const Policy& policy,
                       base::Instant now) {
  record.state = Definitive{definitive, now + policy.credential.definitive_validity};
  record.first_access = now;
  for (auto& refill : record.refills)
    refill.activated = refill.activated || refill.generation == record.generation;
  return record;
}

SubjectRecord renew(SubjectRecord record, const PinVerifier& definitive, const Policy& policy,
                    base::Instant now) {
  // A generation of its own, so that no verifier is ever computed over two PINs of one (index, generation,
  // role).
  ++record.generation;
  record.state = Definitive{definitive, now + policy.credential.definitive_validity};
  return record;
}

std::variant<Refusal, SubjectRecord> send_half(SubjectRecord record, Medium medium, LetterRule rule,
                                               const Policy& policy, base::Instant now) {
  auto& sent = medium == Medium::post ? record.letters : record.electronic;
  forget_before(sent, now - base::days(30));
  if (rule == LetterRule::refusable) {
    const auto today = sent_since(sent, now - base::days(1));
    const bool full = medium == Medium::post ? today >= policy.halves.letters_per_day ||
                                                   sent.size() >= policy.halves.letters_per_30d
                                             : today >= policy.halves.electronic_per_day;
    if (full) return Refusal::delivery_limit;
  }
  if (medium == Medium::post || rule == LetterRule::refusable) sent.push_back(now);
  return record;
}

std::variant<Refusal, SubjectRecord> block(SubjectRecord record, base::Instant now) {
  const State state = state_of(record, now);
  if (!is_live(state)) return Refusal::no_credential;
  if (state != State::blocked) record.state = Blocked{now};
  // Attack: (1) open a conversion with a PIN that was stolen; (2) the citizen has it blocked; (3) wait for
  // the approval, and for the level that a recovery keeps.
  record.conversion.reset();
  return record;
}

std::variant<Refusal, SubjectRecord> revoke(SubjectRecord record, RevokedBy by, base::Instant now) {
  if (!is_live(state_of(record, now))) return Refusal::no_credential;
  record.state = Revoked{now};
  if (by == RevokedBy::portal) record.portal_revoked = now;
  record.conversion.reset();
  record.recovery.reset();
  record.revocation.reset();
  return record;
}

bool portal_may_revoke(const SubjectRecord& record, base::Instant now) {
  const State state = state_of(record, now);
  return is_live(state) && state != State::blocked;
}

Recoverable recoverable(const SubjectRecord& record, base::Instant now) {
  if (!is_live(state_of(record, now))) return Recoverable::no;
  return record.first_access ? Recoverable::yes : Recoverable::never_accessed;
}

SubjectRecord convert(SubjectRecord record) {
  record.level = Level::dispositive;
  record.conversion.reset();
  return record;
}

}  // namespace sigillo::appliance::lifecycle
