#include <appliance/channel.hpp>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace sigillo::appliance {
namespace {

constexpr std::string_view kUriPrefix = "urn:sigillo:channel:";
constexpr std::size_t kNameMax = 48;
constexpr std::array kRoles = {Role::portal,      Role::contact_centre, Role::branch,
                               Role::back_office, Role::courier_sms,    Role::courier_email,
                               Role::courier_pec, Role::courier_post,   Role::auditor};

bool valid_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

}  // namespace

std::string_view name(Role role) {
  switch (role) {
    case Role::portal:
      return "portal";
    case Role::contact_centre:
      return "contact-centre";
    case Role::branch:
      return "branch";
    case Role::back_office:
      return "back-office";
    case Role::courier_sms:
      return "courier-sms";
    case Role::courier_email:
      return "courier-email";
    case Role::courier_pec:
      return "courier-pec";
    case Role::courier_post:
      return "courier-post";
    case Role::auditor:
      return "auditor";
  }
  std::abort();
}

std::string_view name(ChannelStatus status) {
  switch (status) {
    case ChannelStatus::active:
      return "active";
    case ChannelStatus::suspended:
      return "suspended";
    case ChannelStatus::revoked:
      return "revoked";
  }
  std::abort();
}

std::optional<Role> parse_role(std::string_view text) {
  for (const Role role : kRoles) {
    if (name(role) == text) return role;
  }
  return std::nullopt;
}

std::optional<Medium> courier_medium(Role role) {
  switch (role) {
    case Role::courier_sms:
      return Medium::sms;
    case Role::courier_email:
      return Medium::email;
    case Role::courier_pec:
      return Medium::pec;
    case Role::courier_post:
      return Medium::post;
    case Role::portal:
    case Role::contact_centre:
    case Role::branch:
    case Role::back_office:
    case Role::auditor:
      return std::nullopt;
  }
  std::abort();
}

std::string channel_uri(Role role, std::string_view name) {
  std::string uri(kUriPrefix);
  uri += appliance::name(role);
  uri += ':';
  uri += name;
  return uri;
}

std::optional<std::pair<Role, std::string>> parse_channel_uri(std::string_view uri) {
  // RFC 8141 lets "urn" and the namespace differ in case; our CA writes them in lower case, so nothing else
  // is ours.
  if (!uri.starts_with(kUriPrefix)) return std::nullopt;
  const std::string_view rest = uri.substr(kUriPrefix.size());
  const auto colon = rest.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto role = parse_role(rest.substr(0, colon));
  const std::string_view name = rest.substr(colon + 1);
  if (!role || !valid_name(name)) return std::nullopt;
  return std::pair(*role, std::string(name));
}

}  // namespace sigillo::appliance
