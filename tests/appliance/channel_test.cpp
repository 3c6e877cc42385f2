#include <appliance/channel.hpp>
#include <appliance/operations.hpp>

#include <gtest/gtest.h>

namespace sigillo::appliance {
namespace {

TEST(Channel, AUriNamesRoleAndName) {
  for (int number = 1; number <= 9; ++number) {
    const Role role = static_cast<Role>(number);
    EXPECT_EQ(parse_role(name(role)), role);
    const auto parsed = parse_channel_uri(channel_uri(role, "rome-1"));
    ASSERT_TRUE(parsed) << name(role);
    EXPECT_EQ(parsed->first, role);
    EXPECT_EQ(parsed->second, "rome-1");
  }
  EXPECT_EQ(channel_uri(Role::contact_centre, "a"), "urn:sigillo:channel:contact-centre:a");
}

TEST(Channel, AnyOtherUriIsNone) {
  const std::string prefix = "urn:sigillo:channel:";
  for (const std::string& bad :
       {std::string(), prefix, prefix + "portal", prefix + "portal:", prefix + ":x", prefix + "portals:x",
        prefix + "Portal:x", prefix + "portal:X", prefix + "portal:x:y", prefix + "portal:x y",
        prefix + "portal:x/../y", prefix + "portal:" + std::string(49, 'x'),
        std::string("URN:sigillo:channel:portal:x"), " " + prefix + "portal:x", prefix + "portal:x\n",
        prefix + std::string("portal:x\0y", 10)}) {
    EXPECT_FALSE(parse_channel_uri(bad)) << bad;
  }
  EXPECT_TRUE(parse_channel_uri(prefix + "portal:" + std::string(48, 'x')));
}

TEST(Channel, EachCourierHasItsOwnMedium) {
  EXPECT_EQ(courier_medium(Role::courier_sms), Medium::sms);
  EXPECT_EQ(courier_medium(Role::courier_email), Medium::email);
  EXPECT_EQ(courier_medium(Role::courier_pec), Medium::pec);
  EXPECT_EQ(courier_medium(Role::courier_post), Medium::post);
  for (const Role role : {Role::portal, Role::contact_centre, Role::branch, Role::back_office, Role::auditor})
    EXPECT_FALSE(courier_medium(role));
}

TEST(Channel, ALabelIsItsRoleAndName) {
  Channel channel;
  channel.role = Role::courier_post;
  channel.name = "milano";
  EXPECT_EQ(channel.label(), "courier-post:milano");
}

TEST(Operations, WordsAreThoseOfTheContract) {
  EXPECT_EQ(name(Scope::portal_explore), "portal.explore");
  EXPECT_EQ(name(Scope::claims_submit), "claims.submit");
  EXPECT_EQ(name(Presented::first_half), "first-half");
  EXPECT_EQ(name(ConversionState::awaiting_evidence), "awaiting-evidence");
  EXPECT_EQ(name(ConversionState::in_review), "in-review");
  EXPECT_EQ(name(AuthorizationState::void_), "void");
  EXPECT_EQ(name(State::lapsed), "lapsed");
  EXPECT_EQ(name(Level::dispositive), "dispositive");
  EXPECT_EQ(name(DeliveryState::leased), "leased");
  EXPECT_EQ(name(Route::in_person), "in-person");
  EXPECT_EQ(name(Half::whole), "whole");
  EXPECT_EQ(name(Medium::counter), "counter");
}

}  // namespace
}  // namespace sigillo::appliance
