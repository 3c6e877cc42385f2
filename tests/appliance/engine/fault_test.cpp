// The HSM fails or hangs at any of an operation's calls, the store at any of its writes: nobody is charged
// for what was not evaluated, nothing is half done, and the next try goes through.
#include <map>

#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

using Token = hsm::FakeToken;
using Shown = Rejection::Outcome;

struct Operation {
  const char* name;
  std::function<Citizen(World&, unsigned)> before;  // a citizen for whom it will succeed
  std::function<Outcome(World&, const Citizen&)> run;
  std::function<bool(const Outcome&)> succeeded;
  bool guarded = true;                // shows a PIN: charged and settled
  std::size_t own = guarded ? 0 : 3;  // which of counts() it is charged on; 3: none
};

template <class T>
bool gave(const Outcome& outcome) {
  return outcome.as<T>() != nullptr;
}

TEST(Outages, WhatWaitedTooLongForTheHsmIsAnOverloadAndNoAbsence) {
  EXPECT_EQ(outage_of(base::Error(hsm::QueueErrc::overdue, "")), Outage::overloaded);
  EXPECT_EQ(outage_of(base::Error(hsm::QueueErrc::full, "")), Outage::overloaded);
  EXPECT_EQ(outage_of(base::Error(hsm::Errc::deadline, "")), Outage::hsm_unavailable);
}

Outcome confirm(World& world, const Citizen& citizen, bool recovery) {
  const LinkToken token = *LinkToken::parse(base::view(citizen.second));
  if (recovery) return world.call(Role::portal, ConfirmRecovery{citizen.first, token.clone()});
  return world.call(Role::portal, ConfirmRevocation{citizen.first, token.clone()});
}
// The citizen's halves give way to a link's id and token.
Citizen with_link(World& world, unsigned number, bool recovery) {
  auto citizen = world.active(number);
  const auto sent = recovery ? world.recover(citizen) : world.revoke(citizen, citizen.card);
  EXPECT_NE(sent.as<LinkSent>(), nullptr);
  for (const auto& message : world.collect_all()) {
    if (message.token.empty()) continue;
    citizen.first = message.link;
    citizen.second = message.token;
  }
  return citizen;
}

std::vector<Operation> operations() {
  const auto active = [](World& world, unsigned number) { return world.active(number); };
  const auto provisional = [](World& world, unsigned number) { return world.provisional(number); };
  return {
      {"verify", active, [](World& w, const Citizen& c) { return w.verify(c, c.pin); }, gave<Verified>},
      {"verify with a receipt", active, [](World& w, const Citizen& c) { return w.verify(c, c.pin, true); },
       gave<Verified>},
      {"verify the sixteen", provisional, [](World& w, const Citizen& c) { return w.verify(c, c.whole()); },
       gave<Verified>},
      {"activate", provisional,
       [](World& w, const Citizen& c) {
         return w.call(Role::portal, Activate{c.subject, pin(c.whole()), {}});
       },
       gave<NewPin>},
      {"renew", active,
       [](World& w, const Citizen& c) {
         return w.call(Role::portal, Renew{c.subject, pin(c.pin), {}});
       },
       gave<NewPin>},
      {"authorize", active,
       [](World& w, const Citizen& c) {
         return w.call(Role::portal,
                       Authorize{c.subject, pin(c.pin), {"claim.submit", "r", std::string(64, '0')}});
       },
       gave<Authorization>},
      {"convert", active,
       [](World& w, const Citizen& c) {
         return w.call(Role::portal, OpenConversion{c.subject, pin(c.pin), {}, {}});
       },
       gave<ConversionOpened>},
      {"contacts", active,
       [](World& w, const Citizen& c) {
         return w.call(Role::portal,
                       ChangeContacts{
                           c.subject, pin(c.pin), {}, {}, Contacts{"+393401234567", {}, {}, {}, {}}, c.card});
       },
       gave<ContactsNow>},
      {"request", [](World& w, unsigned number) { return w.citizen(number); },
       [](World& w, const Citizen& c) { return w.request(c); }, gave<PinRequested>, false},
      {"request at a branch", [](World& w, unsigned number) { return w.citizen(number); },
       [](World& w, const Citizen& c) { return w.request(c, Role::branch); }, gave<PinRequested>, false},
      {"half made anew", provisional,
       [](World& w, const Citizen& c) {
         return w.call(Role::portal, RemakeHalf{c.credential, c.subject, Half::first, {}});
       },
       gave<HalfRemade>, false},
      {"substitute", active, [](World& w, const Citizen& c) { return w.substitute(c); }, gave<PinRequested>,
       false},
      {"recover", active, [](World& w, const Citizen& c) { return w.recover(c); }, gave<LinkSent>, false, 1},
      {"revoke", active, [](World& w, const Citizen& c) { return w.revoke(c, c.card); }, gave<LinkSent>,
       false, 2},
      {"confirm a recovery", [](World& w, unsigned number) { return with_link(w, number, true); },
       [](World& w, const Citizen& c) { return confirm(w, c, true); }, gave<PinRequested>, false},
      {"confirm a revocation", [](World& w, unsigned number) { return with_link(w, number, false); },
       [](World& w, const Citizen& c) { return confirm(w, c, false); }, gave<RevokedNow>, false},
      {"block", active, [](World& w, const Citizen& c) { return w.block(c); }, gave<BlockedNow>, false},
      {"convert at a branch", active, [](World& w, const Citizen& c) { return w.convert_at_branch(c); },
       gave<ConversionOpened>, false},
  };
}

struct Faults : ::testing::Test {
  World world;
  unsigned number = 0;
  void SetUp() override {
    world.config.policy.guess = {.limit = 50, .delay_from = 51, .delay_first = {}, .delay_max = {}};
    world.start();
  }
  // Two failures on every counter but the link's, so that a count that was put back is told from one that was
  // cleared.
  Citizen prepare(const Operation& operation) {
    auto citizen = operation.before(world, ++number);
    for (int i = 0; i < 2; ++i) {
      world.verify(citizen, kWrong8);
      if (operation.guarded) continue;
      auto wrong = citizen;
      wrong.card.expires.day = 1;
      wrong.contacts.mobile = "+390000000000";
      world.recover(wrong);
      world.revoke(wrong, wrong.card);
    }
    world.collect_all();
    return citizen;
  }
  std::array<std::uint32_t, 3> counts(const Citizen& citizen) {
    return {world.count(citizen), world.count(citizen, guard::Counter::contacts),
            world.count(citizen, guard::Counter::health_card)};
  }
  // All that anyone can see of a citizen.
  std::string seen(const Citizen& citizen) {
    const auto status = world.status(citizen);
    std::string text(name(status.state));
    text += ' ' + status.credential_id.value_or("-") + ' ' + status.contacts.mobile.value_or("-") + ' ';
    text += status.level ? name(*status.level) : "-";
    for (const auto& delivery : status.deliveries) text += ' ' + std::string(name(delivery.state));
    return text;
  }
};

TEST_F(Faults, AnyCallOfTheHsmFails) {
  for (const auto& operation : operations()) {
    SCOPED_TRACE(operation.name);
    std::map<Token::Call, std::uint64_t> calls;
    {
      const auto citizen = prepare(operation);
      for (const auto kind : {Token::Call::random, Token::Call::hmac, Token::Call::sign})
        calls[kind] = world.token.count(kind);
      const auto done = operation.run(world, citizen);
      ASSERT_TRUE(operation.succeeded(done)) << describe(done);
      for (auto& [kind, count] : calls) count = world.token.count(kind) - count;
    }
    for (const auto& [kind, count] : calls) {
      for (std::uint64_t n = 1; n <= count; ++n) {
        for (const auto error : {hsm::Errc::unavailable, hsm::Errc::credential, hsm::Errc::caller_fault}) {
          SCOPED_TRACE("call " + std::to_string(n) + " of kind " + std::to_string(static_cast<int>(kind)));
          const auto citizen = prepare(operation);
          const auto before = counts(citizen);
          const auto looked = seen(citizen);
          world.token.fail(kind, n, error);
          const auto failed = operation.run(world, citizen);
          world.token.heal();
          if (operation.succeeded(failed)) continue;  // an alarm's index only
          ASSERT_TRUE(failed.outage) << describe(failed);
          EXPECT_TRUE(*failed.outage == Outage::hsm_unavailable ||
                      (*failed.outage == Outage::sealed && error == hsm::Errc::credential));
          const auto after = counts(citizen);
          for (std::size_t i = 0; i < after.size(); ++i) {
            const bool cleared = i == operation.own && after[i] == 0;  // right, and settled so
            EXPECT_TRUE(after[i] == before[i] || cleared) << i << ": " << after[i];
          }
          EXPECT_EQ(seen(citizen), looked);
          EXPECT_TRUE(world.collect_all().empty());
          const auto again = operation.run(world, citizen);
          EXPECT_TRUE(operation.succeeded(again)) << describe(again);
        }
      }
    }
  }
}

TEST_F(Faults, AnyCallOfTheHsmHangsBeyondTheDeadline) {
  for (const auto& operation : operations()) {
    SCOPED_TRACE(operation.name);
    std::uint64_t calls = 0;
    {
      const auto citizen = prepare(operation);
      calls = world.dispatcher().calls();
      ASSERT_TRUE(operation.succeeded(operation.run(world, citizen)));
      calls = world.dispatcher().calls() - calls;
    }
    for (std::uint64_t n = 1; n <= calls; ++n) {
      SCOPED_TRACE("call " + std::to_string(n));
      const auto citizen = prepare(operation);
      const auto before = counts(citizen);
      const auto looked = seen(citizen);
      world.deadline = {100};
      world.restart();
      world.held.hold(n);
      const auto failed = operation.run(world, citizen);
      world.held.release();
      world.deadline = base::hours(1);
      world.restart();
      if (operation.succeeded(failed)) continue;
      ASSERT_TRUE(failed.outage) << describe(failed);
      EXPECT_EQ(*failed.outage, Outage::hsm_unavailable);
      const auto after = counts(citizen);
      for (std::size_t i = 0; i < after.size(); ++i) {
        const bool cleared = i == operation.own && after[i] == 0;
        EXPECT_TRUE(after[i] == before[i] || cleared) << i << ": " << after[i];
      }
      EXPECT_EQ(seen(citizen), looked);
      const auto again = operation.run(world, citizen);
      EXPECT_TRUE(operation.succeeded(again)) << describe(again);
    }
  }
}

TEST_F(Faults, AnyWriteOfTheStoreFails) {
  for (const auto& operation : operations()) {
    SCOPED_TRACE(operation.name);
    std::uint64_t writes = 0;
    {
      const auto citizen = prepare(operation);
      writes = world.store().writes();
      ASSERT_TRUE(operation.succeeded(operation.run(world, citizen)));
      writes = world.store().writes() - writes;
    }
    for (std::uint64_t n = 1; n <= writes; ++n) {
      for (const auto error : {sealed_store::Errc::unavailable, sealed_store::Errc::corrupt}) {
        SCOPED_TRACE("write " + std::to_string(n));
        const auto citizen = prepare(operation);
        const auto before = counts(citizen);
        const auto looked = seen(citizen);
        const auto hmacs = world.token.count(Token::Call::hmac);
        world.store().fail_write(n, error);
        const auto failed = operation.run(world, citizen);
        const auto computed = world.token.count(Token::Call::hmac) - hmacs;
        world.store().fail_write(0);
        ASSERT_TRUE(failed.outage) << describe(failed);
        EXPECT_EQ(*failed.outage, error == sealed_store::Errc::unavailable ? Outage::audit_unavailable
                                                                           : Outage::store_unavailable);
        if (operation.guarded && n == 1) {
          EXPECT_EQ(computed, 1U) << "charged first: no MAC of what was not paid";
        }
        // The first write of what is guarded is its charge; a charge without a settle stays.
        const auto after = counts(citizen);
        if (n == 1) {
          EXPECT_EQ(after, before);
        }
        for (std::size_t i = 0; i < after.size(); ++i)
          EXPECT_TRUE(after[i] == before[i] || after[i] == before[i] + 1) << i;
        EXPECT_EQ(seen(citizen), looked);
        EXPECT_TRUE(world.collect_all().empty());
        const auto again = operation.run(world, citizen);
        EXPECT_TRUE(operation.succeeded(again)) << describe(again);
      }
    }
  }
}

TEST_F(Faults, TheLedgerHasChargeThenSettleAndNothingBetweenTheAnswers) {
  const auto citizen = world.active(1000);
  const auto head = world.store().head().seq;
  world.verify(citizen, kWrong8);
  world.verify(citizen, citizen.pin);
  world.token.fail(Token::Call::hmac, 2, hsm::Errc::unavailable);
  world.verify(citizen, citizen.pin);
  const auto entries = world.entries(head);
  ASSERT_EQ(entries.size(), 6U);
  const EventKind kinds[] = {EventKind::charge, EventKind::settle, EventKind::charge,
                             EventKind::settle, EventKind::charge, EventKind::not_evaluated};
  const std::uint32_t totals[] = {1, 0, 2, 0, 1, 0};
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(entries[i].event.kind, static_cast<std::uint16_t>(kinds[i])) << i;
    if (i % 2 == 1) {
      EXPECT_EQ(entries[i].event.attempt, entries[i - 1].seq) << i;
    }
    if (i == 1) {
      EXPECT_FALSE(entries[i].event.guard) << "a wrong one leaves the charge";
    } else {
      ASSERT_TRUE(entries[i].event.guard) << i;
      EXPECT_EQ(entries[i].event.guard->second.total(), totals[i]) << i;
    }
  }
}

// The comparison ran: the charge is settled, and not put back as if nobody had looked.
TEST_F(Faults, WhatWasRightAndCouldNotBeFollowedUpIsSettledAsAnOutage) {
  for (const auto& operation : operations()) {
    const std::string_view name = operation.name;
    // Index, then the MAC of a card or a token; contacts need none. The random that comes next is the
    // follow-up.
    if (name != "recover" && name != "revoke" && name != "confirm a recovery" && name != "activate") continue;
    SCOPED_TRACE(operation.name);
    const auto citizen = prepare(operation);
    const auto head = world.store().head().seq;
    world.token.fail(Token::Call::random, 1, hsm::Errc::unavailable);
    const auto failed = operation.run(world, citizen);
    world.token.heal();
    ASSERT_TRUE(failed.outage) << describe(failed);
    EXPECT_EQ(*failed.outage, Outage::hsm_unavailable);
    const auto entries = world.entries(head);
    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(entries[0].event.kind, static_cast<std::uint16_t>(EventKind::charge));
    EXPECT_EQ(entries[1].event.kind, static_cast<std::uint16_t>(EventKind::settle));
    EXPECT_EQ(entries[1].event.outcome, static_cast<std::uint16_t>(EventOutcome::outage));
    EXPECT_EQ(entries[1].event.attempt, entries[0].seq);
    ASSERT_TRUE(entries[1].event.guard);
    EXPECT_EQ(entries[1].event.guard->second.total(), 0U) << "it was right, and its counter knows";
    EXPECT_TRUE(operation.succeeded(operation.run(world, citizen))) << "the token is not used up";
  }
}

// Where the head is written into a cell, where the anchor is asked for after that, and where a module changes
// no object and the anchor is made anew.
TEST(FaultsOfTheWitness, AChargeThatCouldNotBeAnchoredIsGivenBack) {
  using Call = Token::Call;
  for (const auto call : {Call::rewrite_data, Call::read_data, Call::create_data, Call::destroy_data}) {
    SCOPED_TRACE(static_cast<int>(call));
    World world{Disk::sqlcipher};
    world.token.refuse_rewriting(call == Call::create_data || call == Call::destroy_data);
    world.start();
    const auto citizen = world.active(1);
    world.fail(citizen, 2);
    const auto before = world.token.count(call);
    world.token.fail(call, 1, hsm::Errc::unavailable);
    const auto failed = world.verify(citizen, citizen.pin);
    EXPECT_GT(world.token.count(call), before);
    ASSERT_TRUE(failed.outage) << describe(failed);
    EXPECT_EQ(*failed.outage, Outage::hsm_unavailable);
    world.token.heal();
    world.restart();
    EXPECT_EQ(world.count(citizen), 2U);
    EXPECT_NE(world.verify(citizen, citizen.pin).as<Verified>(), nullptr);
    EXPECT_EQ(world.count(citizen), 0U);
  }
}

}  // namespace
}  // namespace sigillo::appliance::testing
