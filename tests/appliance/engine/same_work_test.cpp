// Unknown subjects cost what known ones do: HSM calls, rounds of the stretch, reads and writes of the store,
// up to the outcome.
#include <atomic>

#include <dlfcn.h>
#include <openssl/evp.h>

#include "policy_floor.hpp"
#include "world.hpp"

namespace {
std::atomic<std::uint64_t> rounds_stretched{0};
}  // namespace

// Before OpenSSL's own: each round is counted, and done there. SQLCipher's are over SHA-512.
extern "C" int PKCS5_PBKDF2_HMAC(const char* pass, int pass_size, const unsigned char* salt, int salt_size,
                                 int rounds, const EVP_MD* digest, int size, unsigned char* out) {
  static const auto own =
      reinterpret_cast<decltype(&PKCS5_PBKDF2_HMAC)>(::dlsym(RTLD_NEXT, "PKCS5_PBKDF2_HMAC"));
  if (EVP_MD_is_a(digest, "SHA256") == 1) rounds_stretched += static_cast<std::uint64_t>(rounds);
  return own(pass, pass_size, salt, salt_size, rounds, digest, size, out);
}

namespace sigillo::appliance::testing {
namespace {

using Shown = Rejection::Outcome;

struct Work {
  std::uint64_t hsm, reads, writes;
  bool operator==(const Work&) const = default;
};
void PrintTo(const Work& work, std::ostream* out) {
  *out << work.hsm << " HSM calls, " << work.reads << " reads, " << work.writes << " writes";
}

struct SameWork : ::testing::TestWithParam<Disk> {
  World world{GetParam()};
  Work of(const Citizen& citizen, const std::string& text) {
    const Work before{world.dispatcher().calls(), world.store().reads(), world.store().writes()};
    last = world.verify(citizen, text);
    return {world.dispatcher().calls() - before.hsm, world.store().reads() - before.reads,
            world.store().writes() - before.writes};
  }
  Outcome last;
};

TEST_P(SameWork, WhateverTheSubjectIs) {
  world.config.policy.guess = {.limit = 1000, .delay_from = 1001, .delay_first = {}, .delay_max = {}};
  world.start();
  const auto lapsed = world.provisional(1);
  world.clock.advance(base::days(61));
  const auto unknown = world.citizen(2);
  const auto provisional = world.provisional(3);
  const auto active = world.active(4);
  const auto blocked = world.active(5), revoked = world.active(6);
  world.block(blocked);
  world.revoke_at_branch(revoked);
  const auto counter = [this] {
    auto citizen = world.citizen(7);
    world.read_halves(citizen, *world.request(citizen, Role::branch).as<PinRequested>());
    return citizen;
  }();

  const Work eight{2, 1, 2}, sixteen{3, 1, 2};
  for (const auto* one : {&lapsed, &unknown, &provisional, &active, &blocked, &revoked, &counter}) {
    EXPECT_EQ(of(*one, kWrong8), eight);
    EXPECT_EQ(of(*one, kWrong16), sixteen);
  }
  EXPECT_EQ(of(provisional, provisional.first), eight);
  EXPECT_NE(last.as<Verified>(), nullptr);
  EXPECT_EQ(of(provisional, provisional.second), eight);
  EXPECT_EQ(of(provisional, provisional.first + kWrong8), sixteen) << "one half right says nothing";
  EXPECT_EQ(of(provisional, kWrong8 + provisional.second), sixteen);
  EXPECT_EQ(of(provisional, provisional.whole()), sixteen);
  EXPECT_NE(last.as<Verified>(), nullptr);
  EXPECT_EQ(of(counter, counter.first), eight);
  EXPECT_EQ(of(counter, counter.whole()), sixteen);
  EXPECT_EQ(of(active, active.pin), eight);
  EXPECT_NE(last.as<Verified>(), nullptr);
  EXPECT_EQ(of(blocked, blocked.pin), eight);
  EXPECT_EQ(of(revoked, revoked.pin), eight);
  EXPECT_EQ(of(lapsed, lapsed.first), eight);
  EXPECT_EQ(of(lapsed, lapsed.whole()), sixteen);
  world.clock.advance(base::days(200));
  EXPECT_EQ(of(active, active.pin), eight);
  EXPECT_NE(last.as<ExpiredPin>(), nullptr);
}

TEST_P(SameWork, DelayedAndLockedToo) {
  world.start();
  const auto active = world.active(1), blocked = world.active(2);
  const auto unknown = world.citizen(3);
  world.block(blocked);
  const Work looked{1, 1, 1};
  for (const auto* one : {&active, &blocked, &unknown}) {
    world.fail(*one, 3);
    world.verify(*one, kWrong8);
    for (const char* text : {kWrong8, kWrong16}) {
      EXPECT_EQ(of(*one, text), looked);
      EXPECT_TRUE(last.is(Shown::delayed));
    }
    world.clock.advance(base::hours(1));
    world.fail(*one, 6);
    world.restart();  // a notice of the lock, if any, is on its way no more
    for (const char* text : {kWrong8, kWrong16}) {
      EXPECT_EQ(of(*one, text), looked);
      EXPECT_TRUE(last.is(Shown::locked));
    }
  }
}

TEST_P(SameWork, AStretchThatIsNotWhatItWas) {
  world.config.policy.guess = {.limit = 1000, .delay_from = 1001, .delay_first = {}, .delay_max = {}};
  unsigned first = 1;
  for (const auto& [before, after] : {std::pair{0U, 20U}, {7U, 20U}, {20U, 0U}, {20U, 7U}}) {
    world.config.policy.verifier.pbkdf2_iterations = before;
    world.restart();
    const auto active = world.active(first), blocked = world.active(first + 1);
    const auto provisional = world.provisional(first + 2);
    const auto unknown = world.citizen(first + 3);
    first += 4;
    world.block(blocked);
    world.config.policy.verifier.pbkdf2_iterations = after;
    world.restart();
    const auto rounds = [](const auto& call) {
      const std::uint64_t so_far = rounds_stretched;
      call();
      return rounds_stretched - so_far;
    };
    for (const auto* one : {&active, &blocked, &provisional, &unknown}) {
      EXPECT_EQ(rounds([&] { world.verify(*one, kWrong8); }), 20U);
      EXPECT_EQ(rounds([&] { world.verify(*one, kWrong16); }), 40U);
      auto card = one->card;
      card.number = "80380000300099999999";
      EXPECT_EQ(rounds([&] { world.revoke(*one, card); }), 20U);
    }
    EXPECT_EQ(rounds([&] { last = world.verify(active, active.pin); }), 40U) << "and 20 of a new verifier";
    ASSERT_NE(last.as<Verified>(), nullptr) << describe(last);
    EXPECT_EQ(rounds([&] { last = world.verify(active, active.pin); }), 20U);
    EXPECT_NE(last.as<Verified>(), nullptr);
  }
}

TEST_P(SameWork, TheMostThatWasEverStretchedStandsWithTheAcceptedPolicy) {
  world.start();
  const auto accept = [&](std::uint32_t stretch) {
    world.config.policy.verifier.pbkdf2_iterations = stretch;
    world.restart();
    sealed_store::Event event;
    event.kind = static_cast<std::uint16_t>(EventKind::policy_accepted);
    EXPECT_TRUE(accept_policy(world.engine().context(), std::move(event)));
    EXPECT_EQ(policy_holds(world.engine().context()).value(), false);
    return highest_stretch(world.engine().context()).value();
  };
  EXPECT_EQ(highest_stretch(world.engine().context()).value(), 0U);
  EXPECT_EQ(accept(7), 7U);
  EXPECT_EQ(accept(20), 20U);
  EXPECT_EQ(accept(0), 20U);
  EXPECT_EQ(accept(5), 20U);
}

TEST_P(SameWork, AReceiptCostsTwoMoreAndOnlyWhereItVerified) {
  world.start();
  const auto active = world.active(1);
  const auto of_receipt = [this](const Citizen& citizen, const std::string& text) {
    const auto before = world.dispatcher().calls();
    world.verify(citizen, text, true);
    return world.dispatcher().calls() - before;
  };
  EXPECT_EQ(of_receipt(active, active.pin), 4U);
  EXPECT_EQ(of_receipt(active, kWrong8), 2U);
  EXPECT_EQ(of_receipt(world.citizen(2), kWrong8), 2U);
}

INSTANTIATE_TEST_SUITE_P(Disks, SameWork, ::testing::Values(Disk::memory, Disk::sqlcipher));

}  // namespace
}  // namespace sigillo::appliance::testing
