// Two couriers of one medium: each is given what is sealed to its own key, and can end nothing else.
#include "erasure.hpp"
#include "outbox_gauge.hpp"
#include "outbox_sweep.hpp"
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

constexpr const char* kFirst = "courier-sms";  // as the role is called
constexpr const char* kSecond = "second";

struct Couriers : ::testing::TestWithParam<Disk> {
  World world{GetParam()};
  Citizen citizen = world.citizen(1);

  void SetUp() override { world.start(); }
  const Context& context() { return world.engine().context(); }
  ChannelPtr courier(const char* called) const { return world.channel(Role::courier_sms, called); }
  void become(const char* called, ChannelStatus status) {
    world.change(Role::courier_sms, called, [status](Channel& channel) { channel.status = status; });
  }
  // The id of the half that leaves by SMS.
  std::string request(const Citizen& of) {
    const auto done = world.request(of);
    if (done.as<PinRequested>() == nullptr) std::abort();
    return done.as<PinRequested>()->deliveries.front().delivery_id;
  }
  std::vector<Leases::Item> lease(const char* called) {
    const auto leased = world.call(courier(called), LeaseDeliveries{100});
    return leased.as<Leases>() != nullptr ? leased.as<Leases>()->deliveries : std::vector<Leases::Item>();
  }
  std::vector<std::string> leased(const char* called) {
    std::vector<std::string> ids;
    for (const auto& one : lease(called)) ids.push_back(one.delivery_id);
    return ids;
  }
  bool ack(const char* called, const std::string& id, bool delivered) {
    AckDeliveries acks{{{id, delivered, {}}}};
    const auto told = world.call(courier(called), std::move(acks));
    return told.as<AckResults>() != nullptr && told.as<AckResults>()->results.front().recorded;
  }
  DeliveryState state(const std::string& id) {
    return (*context().load<DeliveryRecord>(Table::delivery, *parse_id(id)))->state;
  }
  void sweep_all() {
    OutboxSweep sweep(context(), Medium::sms);
    while (sweep.step()) {
    }
  }
};

using Ids = std::vector<std::string>;

// (1) A courier is suspended with halves in its queue, (2) another of the medium takes them, can open none
// and says `failed` of each, ten times: the citizens' halves are gone, and nobody who could send them is
// asked.
TEST_P(Couriers, WhatIsSealedToASuspendedOneWaitsForItAndNoOtherCanEndIt) {
  const auto id = request(citizen);
  become(kFirst, ChannelStatus::suspended);
  world.enrol(Role::courier_sms, kSecond);
  for (std::uint32_t attempt = 0; attempt < context().policy().delivery.attempts; ++attempt) {
    EXPECT_EQ(leased(kSecond), Ids{});
    EXPECT_FALSE(ack(kSecond, id, false));
    world.clock.advance(base::minutes(1));
  }
  EXPECT_FALSE(ack(kSecond, id, true)) << "nor say that it was delivered";
  EXPECT_EQ(state(id), DeliveryState::queued);
  become(kFirst, ChannelStatus::active);
  const auto back = lease(kFirst);
  ASSERT_EQ(back.size(), 1U);
  EXPECT_EQ(world.open(*courier(kFirst), back.front().sealed).kind, "pin.first-half");
  EXPECT_FALSE(ack(kSecond, id, false)) << "it is leased, to another";
  EXPECT_TRUE(ack(kFirst, id, true));
  EXPECT_EQ(state(id), DeliveryState::delivered);
}

TEST_P(Couriers, WhatIsNewGoesToTheOneThatWasEnrolledLastAndTheOthersEmptyTheirs) {
  const auto of_first = request(citizen);
  world.enrol(Role::courier_sms, kSecond);
  const auto of_second = request(world.citizen(2));
  EXPECT_EQ(leased(kFirst), Ids{of_first});
  const auto got = lease(kSecond);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got.front().delivery_id, of_second);
  EXPECT_EQ(world.open(*courier(kSecond), got.front().sealed).kind, "pin.first-half");
  become(kSecond, ChannelStatus::suspended);
  const auto meanwhile = request(world.citizen(3));
  EXPECT_EQ(leased(kFirst), Ids{meanwhile});
  become(kFirst, ChannelStatus::suspended);
  const auto later = request(world.citizen(4));
  become(kFirst, ChannelStatus::active);
  become(kSecond, ChannelStatus::active);
  EXPECT_EQ(leased(kFirst), Ids{});
  EXPECT_EQ(leased(kSecond), Ids{later});
}

TEST_P(Couriers, WhatIsSealedToARevokedOneHasFailedAndIsMadeAnewForAnother) {
  const auto id = request(citizen);
  world.enrol(Role::courier_sms, kSecond);
  OutboxSweep sweep(context(), Medium::sms);
  while (sweep.step()) {
  }
  const auto before = world.store().head().seq;
  become(kFirst, ChannelStatus::revoked);
  while (sweep.step()) {
  }
  EXPECT_EQ(state(id), DeliveryState::failed);
  EXPECT_EQ((*context().load<DeliveryRecord>(Table::delivery, *parse_id(id)))->sealed, "");
  EXPECT_EQ(world.count_events(EventKind::delivery_given_up, before), 1U);
  EXPECT_EQ(world.reading("sigillo_deliveries_failed_total", "sms"), 1);
  EXPECT_EQ(world.status(citizen).deliveries.front().state, DeliveryState::failed);

  const auto credential = *world.status(citizen).credential_id;
  const auto anew = world.call(Role::portal, RemakeHalf{credential, citizen.subject, Half::first, {}});
  ASSERT_NE(anew.as<HalfRemade>(), nullptr) << describe(anew);
  const auto got = lease(kSecond);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(world.open(*courier(kSecond), got.front().sealed).kind, "pin.first-half");
}

TEST_P(Couriers, WhatCameBeforeANewDeliveryKeyIsStillItsOwn) {
  const auto id = request(citizen);
  world.enrol(Role::courier_sms, kSecond);
  world.change(Role::courier_sms, kFirst, [](Channel& channel) {
    channel.former_delivery.push_back(channel.delivery_jwk);
    channel.delivery_jwk = base::EcPrivateKey::generate().public_key().to_jwk("courier-sms-2");
  });
  EXPECT_EQ(leased(kSecond), Ids{});
  EXPECT_EQ(leased(kFirst), Ids{id});
}

TEST_P(Couriers, ALeaseReadsNothingThatIsForAnother) {
  for (unsigned number = 1; number <= 40; ++number) request(world.citizen(number));
  become(kFirst, ChannelStatus::suspended);
  world.enrol(Role::courier_sms, kSecond);
  const auto id = request(world.citizen(41));
  const auto before = world.store().reads();
  EXPECT_EQ(leased(kSecond), Ids{id});
  EXPECT_LE(world.store().reads(), before + 3);
}

TEST_P(Couriers, TheMeterCountsWhatWaitsForAnyOfThem) {
  request(citizen);
  world.clock.advance(base::hours(1));
  world.enrol(Role::courier_sms, kSecond);
  request(world.citizen(2));
  request(world.citizen(3));
  OutboxGauge gauge(context(), Medium::sms);
  gauge.step();
  EXPECT_EQ(world.reading("sigillo_deliveries_waiting", "sms"), 3);
  EXPECT_EQ(world.reading("sigillo_deliveries_oldest_seconds", "sms"), 3600);
  ASSERT_EQ(leased(kFirst).size(), 1U);
  gauge.step();
  EXPECT_EQ(world.reading("sigillo_deliveries_waiting", "sms"), 2);
  EXPECT_EQ(world.reading("sigillo_deliveries_oldest_seconds", "sms"), 0);
}

TEST_P(Couriers, WhatOneDoesNotFetchInItsTimeIsErasedWhosesoeverItIs) {
  world.enrol(Role::courier_sms, kSecond);
  const auto id = request(citizen);
  world.clock.advance(context().policy().credential.provisional_validity);
  sweep_all();
  EXPECT_EQ(state(id), DeliveryState::expired);
}

TEST_P(Couriers, AnErasureFindsWhatWaitsForAnyOfThem) {
  world.enrol(Role::courier_sms, kSecond);
  const auto id = request(citizen);
  const auto erased = erase(context(), citizen.subject, own_event(EventKind::erased, world.clock.now()));
  ASSERT_TRUE(erased);
  EXPECT_EQ(erased->deliveries, 2U);
  EXPECT_FALSE(*context().load<DeliveryRecord>(Table::delivery, *parse_id(id)));
}

// As it was written before a delivery said whose it is: all of a medium in the medium's queue.
struct OfBefore : Couriers {
  Id put(int number, const std::string& sealed, std::uint32_t attempts = 0,
         base::Duration validity = base::days(60), Queue queue = Queue::sms) {
    Id id{};
    id[0] = static_cast<std::uint8_t>(number >> 8);
    id[1] = static_cast<std::uint8_t>(number);
    DeliveryRecord record;
    record.medium = Medium::sms;
    record.sealed = sealed;
    record.attempts = attempts;
    record.expires = world.clock.now() + validity;
    const auto bytes = codec::encode(record);
    record.courier.value = "courier-sms:any";
    const auto now = codec::encode(record);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), now.begin())) << "what is new stands at the end";
    record.courier.value.clear();
    sealed_store::Changes changes;
    changes.puts.push_back(context().put(Table::delivery, id, record, queue, world.clock.now()));
    EXPECT_TRUE(base::sync_wait(context().store.commit(std::move(changes))));
    return id;
  }
  Id put_for(int number, const char* called, std::uint32_t attempts = 0,
             base::Duration validity = base::days(60), Queue queue = Queue::sms) {
    const auto key = base::EcPublicKey::from_jwk(courier(called)->delivery_jwk);
    return put(number, base::seal_jwe(*key, key->kid(), base::Secret(base::view("{}"))), attempts, validity,
               queue);
  }
};

TEST_P(OfBefore, ItsSealSaysWhoseItIs) {
  world.enrol(Role::courier_sms, kSecond);
  const auto of_first = to_text(put_for(1, kFirst)), of_second = to_text(put_for(2, kSecond));
  EXPECT_EQ(leased(kSecond), Ids{}) << "it stands in another's queue";
  EXPECT_EQ(leased(kFirst), Ids{of_first});
  sweep_all();
  EXPECT_EQ(leased(kSecond), Ids{of_second}) << "moved";
  EXPECT_FALSE(ack(kFirst, of_second, false));
  EXPECT_TRUE(ack(kFirst, of_first, true));
  EXPECT_TRUE(ack(kFirst, of_first, true)) << "said twice";
  EXPECT_TRUE(ack(kSecond, of_second, true));
  EXPECT_EQ(leased(kFirst), Ids{});
}

// What is moved stands where its moment puts it, and its new queue may have been passed up to there.
TEST_P(OfBefore, WhatIsMovedIntoAQueueThatWasPassedEndsInItsTime) {
  world.enrol(Role::courier_sms, kSecond);
  OutboxSweep sweep(context(), Medium::sms);
  const auto sweep_on = [&sweep] {
    while (sweep.step()) {
    }
  };
  // The first part of the medium's queue has two that are moved, and the new queue is passed beyond them.
  for (int number = 1; number <= 6; ++number) put_for(number, kFirst);
  for (int number = 7; number <= 8; ++number) put_for(number, kSecond);
  const auto moved = put_for(9, kSecond, 0, base::minutes(10));
  world.clock.advance(base::seconds(1));
  const auto passed = put_for(10, kSecond, 0, base::days(60), outbox_of(*courier(kSecond)));
  sweep_on();
  world.clock.advance(base::minutes(10));
  sweep_on();
  EXPECT_EQ(state(to_text(moved)), DeliveryState::expired);
  EXPECT_EQ((*context().load<DeliveryRecord>(Table::delivery, moved))->sealed, "");
  EXPECT_EQ(state(to_text(passed)), DeliveryState::queued);
}

// (1) A hundred thousand wait for one courier in the medium's queue, (2) the other asks every second, and
// each time all of them are read on a thread that others' requests wait for.
TEST_P(OfBefore, ALeaseLooksPastSoManyThatAreAnothersAndTheSweepMovesTheRest) {
  world.enrol(Role::courier_sms, kSecond);
  for (int number = 1; number <= 300; ++number) put_for(number, kSecond);
  const auto id = to_text(put_for(301, kFirst));
  const auto before = world.store().reads();
  EXPECT_EQ(leased(kFirst), Ids{});
  EXPECT_LE(world.store().reads(), before + 202);
  sweep_all();
  EXPECT_EQ(leased(kFirst), Ids{id});
}

TEST_P(OfBefore, OneThatWasLeasedThenIsAcknowledgedNow) {
  world.enrol(Role::courier_sms, kSecond);
  const auto id = to_text(put_for(1, kFirst, 1));
  EXPECT_FALSE(ack(kSecond, id, true));
  EXPECT_TRUE(ack(kFirst, id, true));
}

TEST_P(OfBefore, WhatIsSealedToARevokedOneHasFailed) {
  world.enrol(Role::courier_sms, kSecond);
  const auto of_first = put_for(1, kFirst), of_second = put_for(2, kSecond);
  become(kFirst, ChannelStatus::revoked);
  sweep_all();
  EXPECT_EQ(state(to_text(of_first)), DeliveryState::failed);
  EXPECT_EQ(leased(kSecond), Ids{to_text(of_second)});
}

TEST_P(OfBefore, OneWhoseSealSaysNothingIsOfWhoseQueueTheMediumsIs) {
  world.enrol(Role::courier_sms, kSecond);
  const auto id = to_text(put(1, "sealed"));
  sweep_all();
  EXPECT_EQ(leased(kSecond), Ids{});
  EXPECT_EQ(leased(kFirst), Ids{id});
}

TEST_P(OfBefore, TwoThatHaveOneQueueTogetherAreStillGivenTheirOwn) {
  world.enrol(Role::courier_sms, kSecond);
  world.change(Role::courier_sms, kSecond, [](Channel& channel) { channel.outbox = 0; });
  const auto of_first = to_text(put_for(1, kFirst)), of_second = to_text(put_for(2, kSecond));
  EXPECT_EQ(leased(kSecond), Ids{of_second});
  EXPECT_EQ(leased(kFirst), Ids{of_first});
}

constexpr auto kDisks = [](const auto& with) { return with.param == Disk::memory ? "memory" : "sqlcipher"; };
INSTANTIATE_TEST_SUITE_P(Disks, OfBefore, ::testing::Values(Disk::memory, Disk::sqlcipher), kDisks);
INSTANTIATE_TEST_SUITE_P(Disks, Couriers, ::testing::Values(Disk::memory, Disk::sqlcipher), kDisks);

}  // namespace
}  // namespace sigillo::appliance::testing
