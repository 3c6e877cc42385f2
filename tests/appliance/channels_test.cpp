// Which sets of channels are refused: what a channel once had stays its own.
#include "channels.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "codec.hpp"

namespace sigillo::appliance {
namespace {

base::Digest key(std::string_view text) {
  return base::sha256({base::view(text)});
}

Channel channel(Role role, std::string_view certificate) {
  Channel out;
  out.role = role;
  out.name = "one";
  out.owner = std::string(name(role));
  out.certificate_key = key(certificate);
  return out;
}

TEST(Channels, AKeyOfAnyRenewalAgoBelongsToItsChannelForGood) {
  auto renewed = channel(Role::courier_sms, "fourth");
  renewed.former = {key("third"), {}, 1};
  renewed.former_keys = {key("first"), key("second")};
  const auto kept = codec::decode<ChannelRecord>(codec::encode(to_record(renewed)));
  ASSERT_TRUE(kept);
  const auto again = from_record(*kept);
  ASSERT_TRUE(again);
  for (const char* taken : {"first", "second", "third", "fourth"})
    EXPECT_FALSE(check_channels({*again, channel(Role::courier_post, taken)})) << taken;
  EXPECT_TRUE(check_channels({*again, channel(Role::courier_post, "fifth")}));
}

TEST(Channels, ARecordOfBeforeIsRead) {
  auto renewed = channel(Role::courier_sms, "second");
  renewed.former = {key("first"), {}, 1};
  const auto of_before = codec::encode(to_record(renewed));
  renewed.former_keys = {key("none")};
  const auto written = codec::encode(to_record(renewed));
  EXPECT_TRUE(std::equal(of_before.begin(), of_before.end(), written.begin())) << "they stand at the end";
  const auto read = codec::decode<ChannelRecord>(of_before);
  ASSERT_TRUE(read);
  EXPECT_TRUE(from_record(*read)->former_keys.empty());
}

std::vector<int> outboxes(const std::vector<Channel>& channels) {
  std::vector<int> out;
  for (const auto& one : channels) out.push_back(one.outbox);
  return out;
}

TEST(Channels, ACourierKeepsTheQueueThatItWasGivenAndNobodyGetsItAgain) {
  std::vector<Channel> all{channel(Role::portal, "portal")};
  for (const auto role : {Role::courier_sms, Role::courier_sms, Role::courier_post, Role::courier_sms}) {
    const auto outbox = next_outbox(all, role);
    ASSERT_TRUE(outbox);
    all.push_back(channel(role, "x"));
    all.back().outbox = *outbox;
  }
  EXPECT_EQ(outboxes(all), (std::vector<int>{0, 0, 64, 0, 65}));
  all.back().status = ChannelStatus::revoked;
  EXPECT_EQ(next_outbox(all, Role::courier_post), 66);
  EXPECT_EQ(outbox_of(all[1]), Queue::sms);
  EXPECT_EQ(outbox_of(all[3]), Queue::post);
  EXPECT_EQ(from_record(*codec::decode<ChannelRecord>(codec::encode(to_record(all[2]))))->outbox, 64);
  all.back().outbox = kLastOutbox;
  EXPECT_FALSE(next_outbox(all, Role::courier_post));
  EXPECT_TRUE(next_outbox(all, Role::courier_pec)) << "the medium's own";
}

std::string sealed_to(const std::vector<Channel>& channels) {
  ChannelRegistry registry;
  registry.set(channels);
  const auto found = registry.courier(Medium::sms);
  return found ? found->name : "";
}

// (1) Two couriers had one queue together, and the second of the list was let stand by for years; (2) at the
// start after an upgrade all that is new is sealed to it, and nobody asked for that.
TEST(Channels, WhatIsNewIsSealedToTheSameCourierBeforeAndAfterTheyAreParted) {
  constexpr auto kActive = ChannelStatus::active, kSuspended = ChannelStatus::suspended,
                 kRevoked = ChannelStatus::revoked;
  const std::vector<std::pair<std::vector<ChannelStatus>, std::size_t>> cases = {
      {{kActive, kActive}, 0},
      {{kSuspended, kActive, kActive}, 1},
      {{kRevoked, kSuspended, kSuspended}, 1},
      {{kSuspended, kRevoked, kActive}, 2},
  };
  for (const auto& [statuses, first] : cases) {
    std::vector<Channel> all;
    for (const auto status : statuses) {
      all.push_back(channel(Role::courier_sms, "x"));
      all.back().name = "c" + std::to_string(all.size());
      all.back().status = status;
      all.back().delivery_jwk = "{}";
    }
    const std::string before = all[first].name;
    EXPECT_EQ(sealed_to(all), before);
    EXPECT_EQ(part_outboxes(all).size(), statuses.size() - 1);
    EXPECT_EQ(sealed_to(all), before);
    EXPECT_EQ(all[first].outbox, 0) << "what waits in the medium's queue stays where it is";

    all.push_back(channel(Role::courier_sms, "y"));
    all.back().name = "next";
    all.back().delivery_jwk = "{}";
    all.back().outbox = *next_outbox(all, Role::courier_sms);
    EXPECT_EQ(sealed_to(all), "next");
    EXPECT_TRUE(part_outboxes(all).empty());
    all.back().status = kRevoked;
    EXPECT_EQ(sealed_to(all), before);
  }
}

TEST(Channels, CouriersThatHadOneQueueTogetherAreParted) {
  std::vector<Channel> all{channel(Role::courier_sms, "a"), channel(Role::courier_post, "b"),
                           channel(Role::courier_sms, "c"), channel(Role::branch, "d"),
                           channel(Role::branch, "e"),      channel(Role::courier_post, "f")};
  EXPECT_EQ(part_outboxes(all).size(), 2U);
  EXPECT_EQ(outboxes(all), (std::vector<int>{0, 0, 32, 0, 0, 33}));
  EXPECT_TRUE(part_outboxes(all).empty());
  EXPECT_EQ(next_outbox(all, Role::courier_post), 64);
}

TEST(Channels, MoreThanCanBePartedShareTheMediumsQueue) {
  std::vector<Channel> all(40, channel(Role::courier_sms, "a"));
  EXPECT_EQ(part_outboxes(all).size(), 32U);
  EXPECT_EQ(std::ranges::count(all, 0, &Channel::outbox), 8);
  EXPECT_EQ(all[32].outbox, 63);
  EXPECT_TRUE(part_outboxes(all).empty());
}

}  // namespace
}  // namespace sigillo::appliance
