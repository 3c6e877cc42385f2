// Starts and stops of an appliance whose anchor lags: what is counted, what is forgotten, what is not.
#include "runs.hpp"
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

constexpr base::Duration kHour = base::hours(1);

struct Lagging : public ::testing::Test {
  Lagging() { world.config.anchor.mode = AnchorMode::interval; }

  // A start as the assembly makes it; the run stays open until stop().
  Runs& start() {
    world.start();
    runs = std::make_unique<Runs>(world.engine().context());
    sealed_store::Changes changes;
    EXPECT_TRUE(runs->begin(changes));
    anchored = changes.anchored;
    if (!changes.puts.empty()) {
      EXPECT_TRUE(base::sync_wait(world.store().commit(std::move(changes))));
    }
    return *runs;
  }
  void stop() {
    sealed_store::Changes changes;
    runs->end(changes);
    if (!changes.puts.empty()) {
      EXPECT_TRUE(base::sync_wait(world.store().commit(std::move(changes))));
    }
    kill();
  }
  void kill() {
    runs.reset();
    world.stop();
  }
  void kills(int times) {
    for (int i = 0; i < times; ++i) {
      start();
      kill();
    }
  }

  World world;
  std::unique_ptr<Runs> runs;
  bool anchored = false;
};

TEST_F(Lagging, TheTenthKillIsTooMany) {
  kills(9);
  EXPECT_FALSE(start().too_many());
  EXPECT_EQ(runs->unclean(), 9u);
  EXPECT_TRUE(anchored) << "the count is anchored with the start that found it";
  kill();
  EXPECT_TRUE(start().too_many());
  EXPECT_EQ(world.count_events(EventKind::unclean_stop), 10u);
}

TEST_F(Lagging, AStopWithItsMarkIsNone) {
  kills(9);
  for (int i = 0; i < 5; ++i) {
    start();
    stop();
  }
  EXPECT_EQ(start().unclean(), 9u);
}

TEST_F(Lagging, ClockJumpsForgetNothing) {
  kills(5);
  world.clock.advance(base::days(3));
  kills(3);
  world.clock.set(kStart - base::days(400));
  kills(2);
  EXPECT_TRUE(start().too_many());
}

TEST_F(Lagging, AnAcceptedRowBeginsAnew) {
  kills(10);
  ASSERT_TRUE(start().too_many());
  ASSERT_TRUE(runs->accept({.time = world.clock.now(), .channel = "officer"}));
  EXPECT_FALSE(runs->too_many());
  kill();
  EXPECT_EQ(start().unclean(), 1u);
}

TEST_F(Lagging, AnAcceptanceThatIsNotDurableIsNone) {
  kills(10);
  start();
  world.store().fail_write(1);
  EXPECT_FALSE(runs->accept({.time = world.clock.now(), .channel = "officer"}));
  EXPECT_TRUE(runs->too_many());
}

TEST_F(Lagging, StrictIsNotCountedAndForgetsNothing) {
  kills(4);
  world.config.anchor.mode = AnchorMode::strict;
  kills(12);  // the first of them finds the fourth's end missing
  EXPECT_FALSE(start().too_many());
  stop();
  world.config.anchor.mode = AnchorMode::interval;
  EXPECT_EQ(start().unclean(), 4u);
}

TEST_F(Lagging, ADevelopmentApplianceIsNever) {
  world.config.allow_weak_policy = true;
  kills(20);
  EXPECT_FALSE(start().too_many());
  EXPECT_EQ(runs->unclean(), 0u);
}

TEST(Window, IsOfTwentyFourHoursOfRunning) {
  RunsRecord record;
  for (int stops = 0; stops < 10; ++stops) {
    runs::begin(record, true);
    runs::serve(record, kHour);
  }
  EXPECT_EQ(record.unclean.size(), 9u);  // the first start found nothing
  EXPECT_TRUE(runs::begin(record, true));
  EXPECT_TRUE(runs::too_many(record));
  runs::serve(record, {base::hours(15).ms - 1});  // the first was found after one hour
  EXPECT_TRUE(runs::too_many(record)) << "a millisecond before 24 hours";
  runs::serve(record, {1});
  EXPECT_FALSE(runs::too_many(record));
  EXPECT_EQ(record.unclean.size(), 9u);
}

}  // namespace
}  // namespace sigillo::appliance::testing
