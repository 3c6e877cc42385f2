// How an appliance ends, on a real token and a real store.
#include <gtest/gtest.h>

#include <appliance/assembly.hpp>
#include <support/softhsm_fixture.hpp>

#include <algorithm>

#include "parts.hpp"
#include "token_opening.hpp"

namespace sigillo::appliance {
namespace {

constexpr int kSteps = 200'000;  // more than a stop takes

// As a notice is: it was decided, its answer has left, and it has some steps to go until it is written.
base::Task<bool> decided_before(const Context& context) {
  for (int step = 0; step < kSteps; ++step) co_await context.dispatcher.hop();
  auto event = own_event(EventKind::denied, context.now());
  event.reference = "decided before the stop";
  sealed_store::Changes changes;
  changes.events.push_back(std::move(event));
  const auto committed = co_await context.store.commit(std::move(changes));
  co_return static_cast<bool>(committed);
}

TEST(Stop, WhatWasDecidedBeforeItIsInTheLedgerBeforeItsMark) {
  Config config;
  config.hsm.module = testing::softhsm_module();
  config.hsm.token_label = "stop";
  config.hsm.allow_test_module = true;
  config.hsm.refused_pin_file = testing::softhsm_directory() / "refused";
  config.store.path = testing::softhsm_directory() / "stop.db";
  config.allow_weak_policy = true;
  const base::SystemClock clock;
  ASSERT_TRUE(hsm::initialise_token(config.hsm.module, config.hsm.token_label, testing::so_pin(),
                                    testing::user_pin()));
  {
    const auto token = open_token(config.hsm, testing::user_pin());
    ASSERT_TRUE(token) << token.error().detail();
    ASSERT_TRUE(create_keys(**token, clock.now()));
    Officers officers(2);
    officers[0].name = "anna";
    officers[1].name = "bruno";
    for (auto& one : officers) one.key = base::EcPrivateKey::generate().public_key().point();
    ASSERT_TRUE(found_store(config, **token, {}, officers, clock));
  }
  {
    const auto opened = Assembly::open(config, testing::user_pin(), clock);
    ASSERT_TRUE(opened) << opened.error().detail();
    const auto& context = (*opened)->parts().context();
    context.background(decided_before(context));
  }
  const auto again = Assembly::open(config, testing::user_pin(), clock);
  ASSERT_TRUE(again) << again.error().detail();
  const auto entries = (*again)->parts().store->ledger(0, 100);
  ASSERT_TRUE(entries);
  const auto stopped = std::ranges::find(*entries, static_cast<std::uint16_t>(EventKind::stopped),
                                         [](const auto& entry) { return entry.event.kind; });
  ASSERT_NE(stopped, entries->end());
  EXPECT_EQ(std::next(stopped)->event.kind, static_cast<std::uint16_t>(EventKind::started));
  EXPECT_EQ(std::prev(stopped)->event.reference, "decided before the stop");
}

}  // namespace
}  // namespace sigillo::appliance
