// Which sets of channels are refused: what a channel once had stays its own.
#include "channels.hpp"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace sigillo::appliance
