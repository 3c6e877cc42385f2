// The erasure of a citizen, beside an appliance that serves.
#include "erasure.hpp"
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

// A contact's records are many, and of all citizens: each is read and opened. On the thread that records
// heads, or on one that decides, everybody would wait for that.
TEST(Erasure, ReadsOnTheCallersThreadAlone) {
  World world{Disk::sqlcipher};
  world.start();
  for (unsigned i = 1; i <= 10; ++i) ASSERT_NE(world.request(world.citizen(i)).as<PinRequested>(), nullptr);
  sealed_store::Event event;
  event.time = world.clock.now();
  event.kind = static_cast<std::uint16_t>(EventKind::erased);
  event.channel = "officer";
  world.store().take_readers();
  const auto erased = erase(world.engine().context(), world.citizen(1).subject, event);
  ASSERT_TRUE(erased);
  EXPECT_EQ(erased->contact_uses, 2U) << "each in a commit of its own, and others are read behind it";
  EXPECT_EQ(world.store().take_readers(), std::set<std::string>{"engine_test"});
}

}  // namespace
}  // namespace sigillo::appliance::testing
