// Long random lives of a few citizens, each answer held against the reference. The seed is printed, and
// SIGILLO_MODEL_SEED and SIGILLO_MODEL_STEPS choose another life and a longer one.
#include <cstdlib>
#include <iostream>
#include <random>

#include "reference.hpp"
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// The reference's word for what the appliance answered.
std::string word(const Outcome& outcome) {
  if (outcome.outage) return "outage";
  if (outcome.is(Refusal::credential_exists)) return "credential-exists";
  if (outcome.is(Refusal::branch_required)) return "branch-required";
  if (outcome.is(Refusal::no_credential)) return "no-credential";
  if (outcome.is(Refusal::already_dispositive)) return "already-dispositive";
  if (const auto* seen = outcome.as<Rejection>()) {
    if (seen->outcome == Rejection::Outcome::locked) return "locked";
    if (seen->outcome == Rejection::Outcome::delayed)
      return "delayed " + std::to_string(*seen->retry_after_s);
    return "rejected " + std::to_string(seen->attempts_remaining);
  }
  if (const auto* done = outcome.as<Authorization>())
    return done->decision == AuthorizationState::granted ? "granted" : "deferred";
  if (outcome.as<ExpiredPin>() != nullptr) return "expired";
  if (outcome.as<Verified>() != nullptr) return "verified";
  if (outcome.as<NewPin>() != nullptr) return "new";
  if (outcome.as<PinRequested>() != nullptr) return "issued";
  if (outcome.as<ConversionOpened>() != nullptr) return "opened";
  if (outcome.as<LinkSent>() != nullptr) return "link";
  if (outcome.as<NotEligible>() != nullptr) return "not-eligible";
  if (outcome.as<BlockedNow>() != nullptr) return "blocked";
  if (outcome.as<RevokedNow>() != nullptr) return "revoked";
  return describe(outcome);
}

class Driver {
 public:
  Driver(World& world, std::uint64_t seed) : world_(world), random_(seed) {
    for (unsigned i = 1; i <= 5; ++i) lives_.push_back({world_.citizen(i), {}});
  }

  void step() {
    auto& life = lives_[below(lives_.size())];
    switch (below(16)) {
      case 0:
      case 1:
        return advance();
      case 2:
        return issued(life, world_.request(life.citizen), life.reference.request(false, now()));
      case 3:
        return issued(life, world_.request(life.citizen, Role::branch), life.reference.request(true, now()));
      case 4:
        if (below(4) == 0) issued(life, world_.substitute(life.citizen), life.reference.substitute(now()));
        return;
      case 5:
        if (below(3) == 0) same(world_.block(life.citizen), life.reference.block(now()), "block");
        return;
      case 6:
        if (below(2) == 0)
          same(world_.revoke_at_branch(life.citizen), life.reference.revoke_at_branch(now()), "revoke");
        return;
      case 7:
        return same(world_.convert_at_branch(life.citizen), life.reference.convert_at_branch(now()),
                    "convert");
      case 8:
        return recover(life);
      case 9:
        return revoke(life);
      case 10:
        if (below(10) == 0) world_.restart();
        if (below(20) == 0) restored(life);
        return;
      default:
        return show(life);
    }
  }

  void look() {
    for (auto& [citizen, reference] : lives_) {
      const auto seen = world_.status(citizen);
      EXPECT_EQ(name(seen.state), reference.state(now()));
      EXPECT_EQ(seen.locked, reference.locked(now()));
      if (!reference.awaits_reissue()) {
        EXPECT_EQ(world_.count(citizen), static_cast<unsigned>(reference.count()));
      }
      if (reference.known()) {
        EXPECT_EQ(seen.level == Level::dispositive, reference.dispositive());
      }
    }
  }

 private:
  struct Life {
    Citizen citizen;
    Reference reference;
  };
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }
  std::int64_t now() const { return world_.clock.now().ms; }

  void advance() {
    static constexpr std::int64_t kSteps[] = {1,
                                              1'000,
                                              29'999,
                                              30'000,
                                              60'000,
                                              3'600'000,
                                              86'400'000,
                                              7 * 86'400'000LL,
                                              86'400'000,
                                              3'600'000,
                                              30 * 86'400'000LL,
                                              61 * 86'400'000LL,
                                              181 * 86'400'000LL};
    world_.clock.advance({kSteps[below(below(3) == 0 ? std::size(kSteps) : 8)]});
  }

  void same(const Outcome& outcome, const std::string& expected, const char* what) {
    EXPECT_EQ(word(outcome), expected) << what;
    world_.collect_all();
  }

  void issued(Life& life, const Outcome& outcome, const std::string& expected) {
    EXPECT_EQ(word(outcome), expected) << "issue";
    if (const auto* answer = outcome.as<PinRequested>()) world_.read_halves(life.citizen, *answer);
    life.reference.first = life.citizen.first;
    life.reference.second = life.citizen.second;
    world_.collect_all();
  }

  void show(Life& life) {
    const auto& subject = life.citizen.subject;
    auto& reference = life.reference;
    const std::string texts[] = {kWrong8,
                                 kWrong16,
                                 reference.first,
                                 reference.second,
                                 reference.first + reference.second,
                                 reference.first + reference.second,
                                 reference.pin,
                                 reference.pin};
    auto text = texts[below(std::size(texts))];
    if (text.empty()) text = kWrong8;
    const auto use = static_cast<Reference::Use>(below(5));
    const bool hsm_away = below(20) == 0;
    if (hsm_away) world_.token.fail(hsm::FakeToken::Call::hmac, 2, hsm::Errc::unavailable);
    Outcome outcome;
    switch (use) {
      case Reference::Use::verify:
        outcome = world_.call(Role::portal, Verify{subject, pin(text), false});
        break;
      case Reference::Use::activate:
        outcome = world_.call(Role::portal, Activate{subject, pin(text), {}});
        break;
      case Reference::Use::renew:
        outcome = world_.call(Role::portal, Renew{subject, pin(text), {}});
        break;
      case Reference::Use::authorize:
        outcome = world_.call(Role::portal,
                              Authorize{subject, pin(text), {"claim.submit", "r", std::string(64, '0')}});
        break;
      case Reference::Use::convert:
        outcome = world_.call(Role::portal, OpenConversion{subject, pin(text), {}, {}});
        break;
    }
    world_.token.heal();
    if (hsm_away) world_.status(life.citizen);  // a commit: the charge was put back before it
    same(outcome, reference.show(use, text, now(), hsm_away), "a PIN is shown");
    if (const auto* made = outcome.as<NewPin>()) reference.pin = shown(*made);
  }

  // What a restore leaves of them: of one whom its tail names, or of everybody.
  void restored(Life& life) {
    world_.clock.advance({1});
    if (below(2) == 0) {
      world_.reissue = Reissue(world_.clock.now());
      for (auto& one : lives_) one.reference.restored_without_tail(now());
    } else {
      sealed_store::Event event{world_.clock.now(), static_cast<std::uint16_t>(EventKind::reissue_marked)};
      event.channel = "officer";
      event.guard.emplace(sealed_store::GuardKey{world_.index(life.citizen), 1},
                          guard::reissue_mark(world_.clock.now()));
      EXPECT_TRUE(base::sync_wait(world_.store().commit({.events = {std::move(event)}})));
      life.reference.marked();
    }
    world_.restart();
  }

  // The link that came, if one did.
  std::optional<Message> link() {
    std::optional<Message> found;
    for (auto& message : world_.collect_all()) {
      if (!message.token.empty()) found = std::move(message);
    }
    return found;
  }

  void recover(Life& life) {
    auto given = life.citizen;
    const bool right = below(2) == 0;
    if (!right) given.contacts.mobile = "+390000000000";
    const auto asked = world_.recover(given);
    const auto expected = life.reference.ask_recovery(right, now());
    EXPECT_EQ(word(asked), expected) << "recovery";
    const auto sent = link();
    if (expected != "link" || !sent) return;
    const auto token = LinkToken::parse(base::view(sent->token));
    const auto done = world_.call(Role::portal, ConfirmRecovery{sent->link, token->clone()});
    life.reference.confirm_recovery(now());
    issued(life, done, "issued");
  }

  void revoke(Life& life) {
    auto card = life.citizen.card;
    const bool right = below(2) == 0;
    if (!right) card.expires.day = 1;
    const auto asked = world_.revoke(life.citizen, card);
    const auto expected = life.reference.ask_revocation(right, now());
    EXPECT_EQ(word(asked), expected) << "revocation";
    const auto sent = link();
    if (expected != "link" || !sent) return;
    const auto token = LinkToken::parse(base::view(sent->token));
    life.reference.confirm_revocation(now());
    same(world_.call(Role::portal, ConfirmRevocation{sent->link, token->clone()}), "revoked", "confirmation");
  }

  World& world_;
  std::mt19937_64 random_;
  std::vector<Life> lives_;
};

struct Model : ::testing::TestWithParam<Disk> {};

TEST_P(Model, RandomLivesAreAnsweredAsTheRulesSay) {
  const auto seed = from_environment("SIGILLO_MODEL_SEED", std::random_device{}());
  const auto otherwise = GetParam() == Disk::memory ? 4'000U : 500U;
  const auto steps = from_environment("SIGILLO_MODEL_STEPS", otherwise);
  std::cout << "SIGILLO_MODEL_SEED=" << seed << " SIGILLO_MODEL_STEPS=" << steps << std::endl;
  World world{GetParam()};
  world.config.policy.contacts_quarantine = {};  // contacts count at once: their week has tests of its own
  world.start();
  Driver driver(world, seed);
  for (std::uint64_t i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE("step " + std::to_string(i) + " of seed " + std::to_string(seed));
    driver.step();
    if (i % 10 == 0) driver.look();
  }
}

INSTANTIATE_TEST_SUITE_P(Disks, Model, ::testing::Values(Disk::memory, Disk::sqlcipher));

}  // namespace
}  // namespace sigillo::appliance::testing
