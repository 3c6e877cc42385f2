// The words of the contract that requests, answers and records share, and their spelling on the wire.
// Thread rule: values.
#pragma once

#include <cstdint>
#include <string_view>

namespace sigillo::appliance {

enum class Level : std::uint8_t { ordinary = 1, dispositive = 2 };
enum class State : std::uint8_t { none, provisional, active, expired, lapsed, blocked, revoked };
enum class Presented : std::uint8_t { first_half = 1, provisional = 2, definitive = 3 };
enum class Scope : std::uint8_t { portal_explore, profile_manage, records_read, claims_defer, claims_submit };
enum class ConversionState : std::uint8_t {
  awaiting_evidence = 1,
  in_review = 2,
  approved = 3,
  rejected = 4
};
enum class AuthorizationState : std::uint8_t { granted = 1, deferred = 2, void_ = 3 };
enum class DeliveryState : std::uint8_t { queued = 1, leased = 2, delivered = 3, failed = 4, expired = 5 };

struct DoorRefusal {};  // the answer to RefusedAtDoor: the door knows what was wrong, and renders it

std::string_view name(Level level);
std::string_view name(State state);
std::string_view name(Presented presented);
std::string_view name(Scope scope);
std::string_view name(ConversionState state);
std::string_view name(AuthorizationState state);
std::string_view name(DeliveryState state);

}  // namespace sigillo::appliance
