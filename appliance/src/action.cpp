#include "action.hpp"

#include <algorithm>

namespace sigillo::appliance {

sealed_store::Event ActionCall::event(EventKind kind) const {
  auto out = own_event(kind, context().now());
  out.channel = "officer";
  for (const auto& officer : officers) out.operator_name += (out.operator_name.empty() ? "" : "+") + officer;
  return out;
}

ActionFailure invalid(std::string what, std::string next) {
  return {"invalid", std::move(what), std::move(next)};
}

ActionFailure refused(std::string what, std::string next) {
  return {"refused", std::move(what), std::move(next)};
}

ActionFailure failed(const base::Error& error, std::string_view what, std::string next) {
  const bool hsm = error.number() / 100 == 2 || error.is(sealed_store::Errc::not_witnessed);
  return {hsm ? "hsm-unavailable" : "failed",
          std::string(what) + ": " + error.detail() + " (error " + std::to_string(error.number()) + ").",
          std::move(next)};
}

std::optional<std::string> text_of(const boost::json::object& parameters, std::string_view name) {
  const auto* const member = parameters.if_contains(name);
  if (member == nullptr || !member->is_string()) return std::nullopt;
  return std::string(member->get_string());
}

std::optional<std::int64_t> number_of(const boost::json::object& parameters, std::string_view name) {
  const auto* const member = parameters.if_contains(name);
  if (member == nullptr || !member->is_int64()) return std::nullopt;
  return member->get_int64();
}

std::optional<bool> flag_of(const boost::json::object& parameters, std::string_view name) {
  const auto* const member = parameters.if_contains(name);
  if (member == nullptr || !member->is_bool()) return std::nullopt;
  return member->get_bool();
}

bool only(const boost::json::object& parameters, std::initializer_list<std::string_view> names) {
  return std::ranges::all_of(parameters, [&](const auto& member) {
    return std::ranges::find(names, std::string_view(member.key())) != names.end();
  });
}

}  // namespace sigillo::appliance
