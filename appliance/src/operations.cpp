#include <appliance/operations.hpp>

#include <cstdlib>

namespace sigillo::appliance {

std::string_view name(Level level) {
  switch (level) {
    case Level::ordinary:
      return "ordinary";
    case Level::dispositive:
      return "dispositive";
  }
  std::abort();
}

std::string_view name(State state) {
  switch (state) {
    case State::none:
      return "none";
    case State::provisional:
      return "provisional";
    case State::active:
      return "active";
    case State::expired:
      return "expired";
    case State::lapsed:
      return "lapsed";
    case State::blocked:
      return "blocked";
    case State::revoked:
      return "revoked";
  }
  std::abort();
}

std::string_view name(Presented presented) {
  switch (presented) {
    case Presented::first_half:
      return "first-half";
    case Presented::provisional:
      return "provisional";
    case Presented::definitive:
      return "definitive";
  }
  std::abort();
}

std::string_view name(Scope scope) {
  switch (scope) {
    case Scope::portal_explore:
      return "portal.explore";
    case Scope::profile_manage:
      return "profile.manage";
    case Scope::records_read:
      return "records.read";
    case Scope::claims_defer:
      return "claims.defer";
    case Scope::claims_submit:
      return "claims.submit";
  }
  std::abort();
}

std::string_view name(ConversionState state) {
  switch (state) {
    case ConversionState::awaiting_evidence:
      return "awaiting-evidence";
    case ConversionState::in_review:
      return "in-review";
    case ConversionState::approved:
      return "approved";
    case ConversionState::rejected:
      return "rejected";
  }
  std::abort();
}

std::string_view name(AuthorizationState state) {
  switch (state) {
    case AuthorizationState::granted:
      return "granted";
    case AuthorizationState::deferred:
      return "deferred";
    case AuthorizationState::void_:
      return "void";
  }
  std::abort();
}

std::string_view name(DeliveryState state) {
  switch (state) {
    case DeliveryState::queued:
      return "queued";
    case DeliveryState::leased:
      return "leased";
    case DeliveryState::delivered:
      return "delivered";
    case DeliveryState::failed:
      return "failed";
    case DeliveryState::expired:
      return "expired";
  }
  std::abort();
}

}  // namespace sigillo::appliance
