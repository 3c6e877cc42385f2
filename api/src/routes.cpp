#include <api/routes.hpp>

#include <algorithm>
#include <array>

#include "requests.hpp"

namespace sigillo::api {
namespace {

using enum appliance::Role;
constexpr RoleSet kPortal = bit(portal), kCentre = bit(contact_centre), kBranch = bit(branch),
                  kBack = bit(back_office);
constexpr RoleSet kCouriers = bit(courier_sms) | bit(courier_email) | bit(courier_pec) | bit(courier_post);
constexpr RoleSet kAuditor = bit(auditor);

using enum Method;
constexpr auto kRoutes = std::to_array<Route>({
    {post, "/v1/credentials", kPortal | kCentre | kBranch, KeyRule::required, parse_request_pin},
    {post, "/v1/credentials/{id}/halves", kPortal | kCentre, KeyRule::required, parse_remake_half},
    {post, "/v1/verifications", kPortal | kCentre | kBranch, KeyRule::optional, parse_verify},
    {post, "/v1/activations", kPortal, KeyRule::required, parse_activate},
    {post, "/v1/renewals", kPortal, KeyRule::required, parse_renew},
    {post, "/v1/conversions", kPortal | kBranch, KeyRule::required, parse_open_conversion},
    {post, "/v1/conversions/{id}/evidence", kPortal | kBack | kBranch, KeyRule::required,
     parse_submit_evidence},
    {post, "/v1/conversions/{id}/decision", kBack | kBranch, KeyRule::required, parse_decide_conversion},
    {get, "/v1/conversions/{id}", kPortal | kBack | kBranch, KeyRule::ignored, parse_get_conversion},
    {post, "/v1/authorizations", kPortal, KeyRule::required, parse_authorize},
    {get, "/v1/authorizations/{id}", kPortal, KeyRule::ignored, parse_get_authorization},
    {post, "/v1/recoveries", kPortal | kBranch, KeyRule::required, parse_recover},
    {post, "/v1/recoveries/{id}/confirmation", kPortal, KeyRule::required, parse_confirm_recovery},
    {post, "/v1/revocations", kPortal | kBranch, KeyRule::required, parse_revoke},
    {post, "/v1/revocations/{id}/confirmation", kPortal, KeyRule::required, parse_confirm_revocation},
    {post, "/v1/blocks", kCentre | kBranch, KeyRule::required, parse_block},
    {post, "/v1/contacts", kPortal | kCentre | kBranch, KeyRule::required, parse_change_contacts},
    {post, "/v1/status", kCentre | kBranch | kBack, KeyRule::ignored, parse_get_status},
    {post, "/v1/outbox/leases", kCouriers, KeyRule::ignored, parse_lease_deliveries},
    {post, "/v1/outbox/acks", kCouriers, KeyRule::ignored, parse_ack_deliveries},
    {get, "/v1/keys", kAnyRole, KeyRule::ignored, parse_get_keys},
    {get, "/v1/whoami", kAnyRole, KeyRule::ignored, nullptr},
    {get, "/v1/ledger", kAuditor, KeyRule::ignored, parse_read_ledger, false, true},
    {get, "/v1/ledger/checkpoint", kAuditor, KeyRule::ignored, parse_get_checkpoint, true},
});

// The identifier where `path` has the shape of `pattern`; empty (but matched) where the pattern has none.
std::optional<std::string_view> fit(std::string_view pattern, std::string_view path) {
  constexpr std::string_view kHole = "{id}";
  const auto hole = pattern.find(kHole);
  if (hole == std::string_view::npos)
    return pattern == path ? std::optional<std::string_view>("") : std::nullopt;
  const auto before = pattern.substr(0, hole);
  const auto after = pattern.substr(hole + kHole.size());
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) || !path.ends_with(after))
    return {};
  const auto id = path.substr(before.size(), path.size() - before.size() - after.size());
  return is_identifier(id) ? std::optional(id) : std::nullopt;
}

}  // namespace

std::string_view name(Method method) {
  switch (method) {
    case Method::get:
      return "GET";
    case Method::post:
      return "POST";
  }
  return "";
}

std::span<const Route> routes() {
  return kRoutes;
}

bool is_identifier(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

Match match(std::string_view method, std::string_view path) {
  Match out;
  for (const Route& route : kRoutes) {
    const auto id = fit(route.pattern, path);
    if (!id) continue;
    if (name(route.method) == method) return {&route, *id, {}};
    if (!out.allow.empty()) out.allow += ", ";
    out.allow += name(route.method);
  }
  return out;
}

std::string role_table() {
  std::string out = "| operation |";
  for (std::uint8_t role = kRoleFirst; role <= kRoleLast; ++role) {
    out.append(" ").append(appliance::name(static_cast<appliance::Role>(role))).append(" |");
  }
  out.append(" Idempotency-Key |\n|---|");
  for (std::uint8_t role = kRoleFirst; role <= kRoleLast; ++role) out += ":-:|";
  out += "---|\n";
  for (const Route& route : kRoutes) {
    out.append("| `").append(name(route.method)).append(" ").append(route.pattern).append("` |");
    for (std::uint8_t role = kRoleFirst; role <= kRoleLast; ++role) {
      out += route.permits(static_cast<appliance::Role>(role)) ? " x |" : " |";
    }
    constexpr std::array<std::string_view, 3> kWords = {"", "optional", "required"};
    out.append(" ").append(kWords.at(static_cast<std::size_t>(route.key))).append(" |\n");
  }
  return out;
}

}  // namespace sigillo::api
