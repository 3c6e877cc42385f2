// The erasure of a citizen, beside an appliance that serves.
#include "erasure.hpp"
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

// A contact's records are many, and of all citizens: each is read and opened.
TEST(Erasure, ReadsNothingOnTheThreadThatRecordsHeads) {
  World world{Disk::sqlcipher};
  world.start();
  for (unsigned i = 1; i <= 10; ++i) ASSERT_NE(world.request(world.citizen(i)).as<PinRequested>(), nullptr);
  sealed_store::Event event;
  event.time = world.clock.now();
  event.kind = static_cast<std::uint16_t>(EventKind::erased);
  event.channel = "officer";
  world.store().take_readers();
  const auto erased = base::sync_wait(erase(world.engine().context(), world.citizen(1).subject, event));
  ASSERT_TRUE(erased);
  EXPECT_EQ(erased->contact_uses, 2U) << "each in a commit of its own, and others are read behind it";
  const auto readers = world.store().take_readers();
  EXPECT_FALSE(readers.contains("store-witness"));
  EXPECT_FALSE(readers.contains("store-writer"));
}

}  // namespace
}  // namespace sigillo::appliance::testing
