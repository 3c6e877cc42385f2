// Many at once on one subject: the limit holds to the guess, and right ones do not get in each other's way.
#include <pthread.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

using Shown = Rejection::Outcome;

struct Concurrency : ::testing::TestWithParam<Disk> {
  World world{GetParam()};

  // All calls, from four threads, none waiting for another; what each was answered.
  std::vector<Outcome> all(std::vector<Request> requests, std::optional<std::string> key = {}) {
    std::vector<Outcome> outcomes(requests.size());
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t done = 0;
    const auto one = [&](std::size_t i) {
      auto& outcome = outcomes[i];
      const Render render = [&outcome](const Answer& answer) {
        if (const auto* made = std::get_if<NewPin>(&answer)) {
          outcome.answer.emplace(
              NewPin{made->credential_id, made->level, made->expires_at, std::get<Pin>(made->pin).clone()});
          return Rendered{201, base::Secret(base::view(shown(*made)))};
        }
        if (const auto* seen = std::get_if<Rejection>(&answer)) outcome.answer.emplace(*seen);
        if (const auto* seen = std::get_if<Verified>(&answer)) outcome.answer.emplace(*seen);
        if (const auto* seen = std::get_if<Refusal>(&answer)) outcome.answer.emplace(*seen);
        return Rendered{200, base::Secret(base::view("answer"))};
      };
      std::optional<Idempotency> idempotency;
      if (key) idempotency.emplace(Idempotency{*key, base::Secret(base::sha256({base::view("body")}))});
      const auto end = [&](Reply reply) {
        if (const auto* outage = std::get_if<Outage>(&reply)) outcome.outage = *outage;
        if (const auto* rendered = std::get_if<Rendered>(&reply)) outcome.text = rendered->body.expose_text();
        const std::lock_guard lock(mutex);
        ++done;
        changed.notify_one();
      };
      base::start(world.begin(Role::portal, std::move(requests[i]), render, std::move(idempotency)), end);
    };
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (std::size_t i = t; i < requests.size(); i += 4) one(i);
      });
    }
    for (auto& thread : threads) thread.join();
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done == requests.size(); });
    return outcomes;
  }
  static std::size_t count_of(const std::vector<Outcome>& outcomes, Shown shown) {
    return static_cast<std::size_t>(
        std::count_if(outcomes.begin(), outcomes.end(), [shown](const auto& one) { return one.is(shown); }));
  }
};

TEST_P(Concurrency, TwoHundredWrongGuessesAtFiveEndpointsAreTheLimitAndNoMore) {
  world.config.policy.guess.delay_from = world.config.policy.guess.limit + 1;
  world.start();
  const auto known = world.active(1);
  const auto unknown = world.citizen(2);
  for (const auto* citizen : {&known, &unknown}) {
    const auto charges = world.store().charges();
    std::vector<Request> requests;
    for (int i = 0; i < 40; ++i) {
      const auto& subject = citizen->subject;
      requests.emplace_back(Verify{subject, pin(kWrong8), false});
      requests.emplace_back(Activate{subject, pin(kWrong16), {}});
      requests.emplace_back(Renew{subject, pin(kWrong8), {}});
      requests.emplace_back(Authorize{subject, pin(kWrong8), {"claim.submit", "r", std::string(64, '0')}});
      requests.emplace_back(
          ChangeContacts{subject, pin(kWrong8), {}, {}, {{}, {}, {}, "+390612345678", {}}, {}});
    }
    const auto outcomes = all(std::move(requests));
    EXPECT_EQ(count_of(outcomes, Shown::rejected), 10U);
    EXPECT_EQ(count_of(outcomes, Shown::locked), 190U);
    EXPECT_EQ(world.store().charges() - charges, 10U);
    EXPECT_EQ(world.count(*citizen), 10U);
  }
}

TEST_P(Concurrency, WithDelaysThreeAreLookedAt) {
  world.start();
  const auto citizen = world.active(1);
  std::vector<Request> requests;
  for (int i = 0; i < 100; ++i) requests.emplace_back(Verify{citizen.subject, pin(kWrong8), false});
  const auto outcomes = all(std::move(requests));
  EXPECT_EQ(count_of(outcomes, Shown::rejected), 3U);
  EXPECT_EQ(count_of(outcomes, Shown::delayed), 97U);
}

TEST_P(Concurrency, FiftyRightPinsAllVerify) {
  world.start();
  const auto citizen = world.active(1);
  world.fail(citizen, 2);
  std::vector<Request> requests;
  for (int i = 0; i < 50; ++i) requests.emplace_back(Verify{citizen.subject, pin(citizen.pin), false});
  for (const auto& outcome : all(std::move(requests))) EXPECT_NE(outcome.as<Verified>(), nullptr);
  EXPECT_EQ(world.count(citizen), 0U);
}

TEST_P(Concurrency, OfFiftyActivationsOneGivesThePin) {
  world.config.policy.guess = {.limit = 100, .delay_from = 101, .delay_first = {}, .delay_max = {}};
  world.start();
  auto citizen = world.provisional(1);
  std::vector<Request> requests;
  for (int i = 0; i < 50; ++i) requests.emplace_back(Activate{citizen.subject, pin(citizen.whole()), {}});
  const auto outcomes = all(std::move(requests));
  EXPECT_EQ(count_of(outcomes, Shown::rejected), 49U);
  for (const auto& outcome : outcomes) {
    if (outcome.as<NewPin>() != nullptr) citizen.pin = outcome.text;
  }
  EXPECT_NE(world.verify(citizen, citizen.pin).as<Verified>(), nullptr);
}

TEST_P(Concurrency, FiftyWithOneKeyDoOneThing) {
  world.start();
  const auto citizen = world.provisional(1);
  std::vector<Request> requests;
  for (int i = 0; i < 50; ++i) requests.emplace_back(Activate{citizen.subject, pin(citizen.whole()), {}});
  std::set<std::string> pins;
  for (const auto& outcome : all(std::move(requests), "key-1")) {
    EXPECT_FALSE(outcome.outage);
    if (!outcome.is(Refusal::idempotency_key_in_use)) pins.insert(outcome.text);
  }
  EXPECT_EQ(pins.size(), 1U) << "done once, and told alike";
  EXPECT_EQ(world.count_events(EventKind::activated), 1U);
  EXPECT_NE(world.verify(citizen, *pins.begin()).as<Verified>(), nullptr);
}

TEST_P(Concurrency, FiftyRepeatsOfWhatIsDoneAreAllToldIt) {
  world.start();
  const auto citizen = world.provisional(1);
  const auto repeats = [&](std::size_t count) {
    std::vector<Request> requests;
    for (std::size_t i = 0; i < count; ++i)
      requests.emplace_back(Activate{citizen.subject, pin(citizen.whole()), {}});
    return all(std::move(requests), "key-1");
  };
  const auto done = repeats(1);
  for (const auto& outcome : repeats(50)) EXPECT_EQ(outcome.text, done.front().text) << describe(outcome);
}

TEST_P(Concurrency, ManySubjectsWithOneMobileDoNotWaitForEachOtherForEver) {
  world.start();
  std::vector<Request> requests;
  for (unsigned i = 1; i <= 60; ++i) {
    auto citizen = world.citizen(i);
    citizen.contacts.mobile = "+39333000000" + std::to_string(i % 2);
    citizen.contacts.email = "shared" + std::to_string(i % 3) + "@example.it";
    requests.emplace_back(RequestPin{citizen.subject, citizen.contacts, citizen.card, {}, {}, {}, {}});
  }
  for (const auto& outcome : all(std::move(requests))) EXPECT_FALSE(outcome.outage);
  EXPECT_EQ(world.count_events(EventKind::requested), 60U);
}

// It is an I/O thread, with the accept, the TLS and the health of everybody else behind it.
TEST_P(Concurrency, NoOperationReadsTheDiskOnTheThreadThatBringsIt) {
  world.start();
  const auto citizen = world.active(1);
  const Action action{"claim.submit", "case-1", std::string(64, '0')};
  const auto opened = world.call(Role::portal, OpenConversion{citizen.subject, pin(citizen.pin), {}, {}});
  const auto claim = world.call(Role::portal, Authorize{citizen.subject, pin(citizen.pin), action});
  const std::string conversion = opened.as<ConversionOpened>()->conversion_id,
                    authorization = claim.as<Authorization>()->authorization_id;
  const auto quiet = [&](Role role, Request request, std::optional<std::string> key = {}) {
    const auto before = world.store().own_reads();
    const auto outcome = world.call(role, std::move(request), std::move(key));
    EXPECT_FALSE(outcome.outage);
    return world.store().own_reads() == before;
  };
  EXPECT_TRUE(quiet(Role::back_office, GetConversion{conversion}));
  EXPECT_TRUE(quiet(Role::portal, GetAuthorization{authorization}));
  EXPECT_TRUE(quiet(Role::portal, Verify{citizen.subject, pin(citizen.pin), false}));
  EXPECT_TRUE(quiet(Role::portal, Verify{citizen.subject, pin(citizen.pin), false}, "key-1"));
  EXPECT_TRUE(quiet(Role::contact_centre, GetStatus{citizen.subject, {}}));
  EXPECT_TRUE(quiet(Role::courier_post, LeaseDeliveries{100}));
  EXPECT_TRUE(quiet(Role::courier_post, AckDeliveries{{{conversion, true, {}}}}));
  EXPECT_TRUE(quiet(Role::auditor, ReadLedger{0, 1'000}));
  EXPECT_TRUE(quiet(Role::auditor, GetCheckpoint{}));
  EXPECT_TRUE(quiet(Role::auditor, GetKeys{}));
  EXPECT_TRUE(
      quiet(Role::portal, SubmitEvidence{conversion, evidence(Route::upload), std::nullopt}, "key-2"));
}

// Up to a thousand entries: on the store's writer every other commit's answer would wait for their text.
TEST_P(Concurrency, APageOfTheLedgerIsWrittenOutOnADecider) {
  world.start();
  const auto citizen = world.active(1);
  std::string thread;
  const Render render = [&thread](const Answer&) {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    thread = name;
    return Rendered{200, base::Secret(base::view("answer"))};
  };
  base::sync_wait(world.begin(Role::auditor, ReadLedger{0, 1'000}, render));
  EXPECT_EQ(thread, "decider");
  EXPECT_EQ(world.count_events(EventKind::ledger_read), 1U);
}

INSTANTIATE_TEST_SUITE_P(Disks, Concurrency, ::testing::Values(Disk::memory, Disk::sqlcipher));

}  // namespace
}  // namespace sigillo::appliance::testing
