// The erasure of a citizen, beside an appliance that serves.
#include "erasure.hpp"

#include <thread>

#include "notices.hpp"
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

sealed_store::Event erased_event(const World& world) {
  sealed_store::Event event;
  event.time = world.clock.now();
  event.kind = static_cast<std::uint16_t>(EventKind::erased);
  event.channel = "officer";
  return event;
}

bool eventually(const std::function<bool()>& so) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!so()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

// A contact's records are many, and of all citizens: each is read and opened. On the thread that records
// heads, or on one that decides, everybody would wait for that.
TEST(Erasure, ReadsOnTheCallersThreadAlone) {
  World world{Disk::sqlcipher};
  world.start();
  for (unsigned i = 1; i <= 10; ++i) ASSERT_NE(world.request(world.citizen(i)).as<PinRequested>(), nullptr);
  world.store().take_readers();
  const auto erased = erase(world.engine().context(), world.citizen(1).subject, erased_event(world));
  ASSERT_TRUE(erased);
  EXPECT_EQ(erased->contact_uses, 2U) << "each in a commit of its own, and others are read behind it";
  EXPECT_EQ(world.store().take_readers(), std::set<std::string>{"engine_test"});
}

// A guess locks a PIN, and its notice is on its way while the erasure, which has looked at the couriers'
// queues already, goes through the contacts. (The test holds a courier's turn: the erasure waits for it
// before its last commit.)
TEST(Erasure, ANoticeThatIsWrittenAfterItHasLookedIsGoneAfterIt) {
  World world;
  world.start();
  const auto citizen = world.active(1);
  const auto index = world.index(citizen);
  const auto& context = world.engine().context();
  std::optional<SubjectQueue::Turn> courier(base::sync_wait(context.queue.enter(outbox_turn(Medium::sms))));
  const auto begun = world.store().writes();
  std::thread eraser(
      [&] { EXPECT_TRUE(erase(context, citizen.subject, erased_event(world))) << "it was known"; });
  const bool looked =
      eventually([&] { return world.store().writes() == begun + 2; });  // its uses of contacts
  send_notices_later(context, index, NoticeEvent::locked);
  const bool written = eventually([&] { return world.store().writes() == begun + 3; });
  courier.reset();
  eraser.join();
  ASSERT_TRUE(looked && written);
  EXPECT_TRUE(eventually([&] { return world.reading("sigillo_calls_in_flight") == 0; }));
  for (const Queue queue : {Queue::sms, Queue::email, Queue::pec, Queue::post, Queue::delivery}) {
    const auto members = world.store().members(static_cast<std::uint8_t>(queue));
    ASSERT_TRUE(members);
    EXPECT_TRUE(members->empty()) << "queue " << static_cast<int>(queue);
  }
}

}  // namespace
}  // namespace sigillo::appliance::testing
