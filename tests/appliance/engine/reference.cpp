#include "reference.hpp"

#include <algorithm>

namespace sigillo::appliance::testing {
namespace {

constexpr std::int64_t kDay = 86'400'000;

std::string rejected(int failures) {
  return "rejected " + std::to_string(std::max(0, 10 - failures));
}

}  // namespace

std::string Reference::state(std::int64_t now) const {
  switch (kind_) {
    case Kind::none:
      return "none";
    case Kind::provisional:
      return now < expires_ ? "provisional" : "lapsed";
    case Kind::definitive:
      return now < expires_ ? "active" : "expired";
    case Kind::blocked:
      return "blocked";
    case Kind::revoked:
      return "revoked";
  }
  return {};
}

bool Reference::live(std::int64_t now) const {
  const auto s = state(now);
  return s == "provisional" || s == "active" || s == "expired" || s == "blocked";
}

bool Reference::refills_left(std::int64_t now) const {
  int used = 0;
  for (const auto& refill : refills_) {
    if (!refill.activated && now - refill.at < 30 * kDay) ++used;
  }
  return used < 3;
}

// "" where an attempt is looked at; else what is said instead.
std::string Reference::look(const Counter& counter, std::int64_t now) {
  const int failures = counter.owned + counter.unowned;
  if (failures >= 10) return "locked";
  if (failures < 3) return {};
  std::int64_t delay = 30'000;
  for (int i = 3; i < failures; ++i) delay *= 2;
  delay = std::min<std::int64_t>(delay, 3'600'000);
  const std::int64_t left = counter.last + delay - now;
  return left > 0 ? "delayed " + std::to_string((left + 999) / 1000) : std::string();
}

void Reference::age(Counter& counter, std::int64_t now) {
  if (now - counter.last >= 30 * kDay) counter = {};
}

// What nobody's credential was charged with ends after a year.
Reference::Counter Reference::pin_as_of(std::int64_t now) const {
  auto seen = pin_;
  if (now - seen.last >= 365 * kDay) seen.unowned = 0;
  return seen;
}

std::string Reference::show(Use use, const std::string& text, std::int64_t now, bool hsm_away) {
  if (marked_) return "locked";
  const auto seen = pin_as_of(now);
  if (const auto said = look(seen, now); !said.empty()) return said;
  if (hsm_away) return "outage";
  const auto before = pin_;
  pin_ = seen;
  const auto current = state(now);
  ++(live(now) ? pin_.owned : pin_.unowned);
  pin_.last = now;
  const bool provisional = current == "provisional";
  if (provisional && !counter_ && text == first) {
    if (use != Use::verify) return rejected(count());
    pin_ = before;
    return "verified";
  }
  if (provisional && text == first + second) {
    if (use != Use::verify && use != Use::activate) return rejected(count());
    pin_ = {};
    if (use == Use::verify) return "verified";
    kind_ = Kind::definitive;
    expires_ = now + 180 * kDay;
    accessed_ = true;
    for (auto& refill : refills_) refill.activated |= refill.issue == issues_;
    return "new";
  }
  const bool definitive = current == "active" || current == "expired";
  if (!definitive || text != pin || use == Use::activate) return rejected(count());
  pin_ = {};
  if (use == Use::renew) {
    expires_ = now + 180 * kDay;
    return "new";
  }
  if (current == "expired") return "expired";
  if (use == Use::verify) return "verified";
  if (use == Use::authorize) return dispositive_ ? "granted" : "deferred";
  return dispositive_ ? "already-dispositive" : "opened";
}

void Reference::issue(bool counter, bool dispositive, bool refill, std::int64_t now) {
  floor_ = 0;
  kind_ = Kind::provisional;
  expires_ = now + 60 * kDay;
  known_ = true;
  counter_ = counter;
  dispositive_ = dispositive;
  accessed_ = false;
  ++issues_;
  if (refill) refills_.push_back({now, issues_, false});
}

std::string Reference::request(bool at_branch, std::int64_t now) {
  if (live(now)) return "credential-exists";
  const bool after_revocation = kind_ == Kind::revoked;
  if (!at_branch && after_revocation && !refills_left(now)) return "branch-required";
  if (after_revocation || !known_) marked_ = false;
  if (after_revocation) pin_ = {};
  pin_.unowned = 0;
  if (at_branch) contacts_ = card_ = {};
  issue(at_branch, at_branch, !at_branch && after_revocation, now);
  return "issued";
}

std::string Reference::substitute(std::int64_t now) {
  if (!live(now)) return "no-credential";
  pin_ = contacts_ = card_ = {};
  marked_ = false;
  issue(true, true, false, now);
  return "issued";
}

std::string Reference::block(std::int64_t now) {
  if (!live(now)) return "no-credential";
  kind_ = Kind::blocked;
  return "blocked";
}

std::string Reference::revoke_at_branch(std::int64_t now) {
  if (!live(now)) return "no-credential";
  kind_ = Kind::revoked;
  return "revoked";
}

std::string Reference::convert_at_branch(std::int64_t now) {
  if (kind_ != Kind::definitive) return "no-credential";
  static_cast<void>(now);
  if (dispositive_) return "already-dispositive";
  dispositive_ = true;
  return "opened";
}

// The common part of contacts and health cards: look, charge, and what a mismatch says. "" where it matched.
std::string Reference::ask(Counter& counter, bool match, std::int64_t now) {
  auto seen = counter;
  if (counter.last < floor_) seen = {std::max(counter.owned, 9), 0, floor_ - 3'600'000};
  age(seen, now);
  if (const auto said = look(seen, now); !said.empty()) return said;
  ++seen.owned;
  seen.last = now;
  counter = match ? Counter{0, 0, now} : seen;  // ended now, and so after any restore of before
  return match ? std::string() : rejected(seen.owned);
}

std::string Reference::ask_recovery(bool right, std::int64_t now) {
  const auto said = ask(contacts_, right && known_ && live(now), now);
  if (!said.empty()) return said;
  if (!accessed_) return "not-eligible";
  return refills_left(now) ? "link" : "branch-required";
}

void Reference::confirm_recovery(std::int64_t now) {
  pin_ = {};
  marked_ = false;
  issue(false, dispositive_, true, now);
}

std::string Reference::ask_revocation(bool right, std::int64_t now) {
  const auto said = ask(card_, right && live(now) && kind_ != Kind::blocked, now);
  return said.empty() ? "link" : said;
}

void Reference::confirm_revocation(std::int64_t) {
  kind_ = Kind::revoked;
}

}  // namespace sigillo::appliance::testing
