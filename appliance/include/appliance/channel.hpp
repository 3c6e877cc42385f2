// Channel: who may call, as enrolled by officers. The role comes from the certificate's URI SAN, the status
// from here. Thread rule: immutable; the registry exchanges whole objects.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <appliance/contacts.hpp>
#include <base/clock.hpp>
#include <base/crypto.hpp>

namespace sigillo::appliance {

enum class Role : std::uint8_t {
  portal = 1,
  contact_centre = 2,
  branch = 3,
  back_office = 4,
  courier_sms = 5,
  courier_email = 6,
  courier_pec = 7,
  courier_post = 8,
  auditor = 9
};
std::string_view name(Role role);
std::optional<Role> parse_role(std::string_view text);
std::optional<Medium> courier_medium(Role role);  // of the four couriers

enum class ChannelStatus : std::uint8_t { active = 1, suspended = 2, revoked = 3 };
std::string_view name(ChannelStatus status);

struct ChannelFigures;

struct Channel {
  Role role = Role::portal;
  std::string name;  // 1 to 48 of [a-z0-9-]
  ChannelStatus status = ChannelStatus::active;
  base::Digest certificate_key{};  // SHA-256 of the certificate's SubjectPublicKeyInfo (DER)
  std::string owner;               // declared; two couriers of one owner could open both halves
  std::string delivery_jwk;        // public EC P-256 JWK with `kid`; empty where the role opens nothing
  std::uint16_t ca_version = 1;    // which CA key its certificate is under
  base::Instant certificate_expires{};

  // Of before a renewal: good until then, so that a channel's machines can change over one by one.
  struct Former {
    base::Digest certificate_key{};
    base::Instant until{};
    std::uint16_t ca_version = 1;
  };
  std::optional<Former> former;
  std::vector<base::Digest> former_keys;  // of certificates before that; good for nothing, and still its own
  // Delivery keys that something may still be sealed to. Nothing new is; they keep belonging to this channel.
  std::vector<std::string> former_delivery;
  std::uint8_t outbox = 0;  // of a courier: the queue of its own; 0 is its medium's (outbox_of)

  // Of whatever this channel is or becomes: the registry gives them, and copies share them.
  std::shared_ptr<ChannelFigures> figures = {};

  std::string label() const { return std::string(appliance::name(role)) + ":" + name; }
};
using ChannelPtr = std::shared_ptr<const Channel>;

// "urn:sigillo:channel:<role>:<name>"
std::string channel_uri(Role role, std::string_view name);
std::optional<std::pair<Role, std::string>> parse_channel_uri(std::string_view uri);

}  // namespace sigillo::appliance
