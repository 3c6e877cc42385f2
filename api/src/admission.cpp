#include "admission.hpp"

#include <algorithm>

#include <api/render.hpp>

#include "input.hpp"

namespace sigillo::api {
namespace {

Problem plain(Code code) {
  return {.code = code, .pointer = {}};
}
Problem invalid(std::string_view reason) {
  return {.code = Code::invalid_request, .pointer = {}, .detail = reason};
}

std::optional<Problem> key_fault(const Route& route, const RequestHead& head) {
  if (route.key == KeyRule::ignored) return {};
  if (!head.idempotency_key_given) {
    return route.key == KeyRule::required ? std::optional(plain(Code::idempotency_key_required))
                                          : std::nullopt;
  }
  const auto key = head.idempotency_key;
  const bool printable = std::ranges::all_of(key, [](char c) { return c >= ' ' && c <= '~'; });
  if (head.idempotency_key_repeated || key.empty() || key.size() > 64 || !printable) {
    return invalid("An Idempotency-Key has 1 to 64 printable characters, and stands there once.");
  }
  return {};
}

// Media type and size, for an operation with a body; for one without, that there is none.
std::optional<Problem> body_fault(const Route& route, const RequestHead& head) {
  if (route.method == Method::get) {
    if (head.content_length != 0) return invalid("This operation takes no body.");
    return {};
  }
  if (head.encoded || !is_json(head.content_type)) return plain(Code::unsupported_media_type);
  if (head.content_length > kBodyMax) return Problem{.code = Code::body_too_large, .pointer = ""};
  return {};
}

struct OfValues {  // a Problem that is found after the Idempotency-Key
  Problem problem;
};
std::variant<Problem, OfValues, appliance::Request> read_request(const Route& route, const RequestHead& head,
                                                                 std::string_view id, std::string_view body,
                                                                 appliance::Role role) {
  WipingArena arena;
  json::value document(&arena);  // of another memory it would be a copy, and the PIN would stay on the heap
  Faults faults;
  if (route.method == Method::post) {
    auto parsed = parse_json(body, arena);
    if (auto* const fault = std::get_if<JsonFault>(&parsed)) {
      return Problem{
          .code = Code::invalid_request, .pointer = std::move(fault->pointer), .detail = fault->reason};
    }
    document = std::move(std::get<json::value>(parsed));
    if (!document.is_object()) {
      return Problem{.code = Code::invalid_request, .pointer = "", .detail = "The body has to be an object."};
    }
  }
  if (!head.query.empty() && !route.takes_query) return invalid("This operation takes no query.");
  Fields fields(document.if_object(), {}, faults);
  Input input{role, id, head.query, fields};
  auto request = route.parse(input);
  if (faults.structure) return std::move(*faults.structure);
  if (auto fault = key_fault(route, head)) return std::move(*fault);
  if (faults.value) return OfValues{std::move(*faults.value)};
  return std::move(*request);
}

std::optional<appliance::Idempotency> idempotency(const Route& route, const RequestHead& head,
                                                  std::string_view body) {
  if (route.key == KeyRule::ignored || !head.idempotency_key_given) return {};
  const base::Byte zero[1] = {0};
  const auto digest =
      base::sha256({base::view(head.method), zero, base::view(head.path), zero, base::view(body)});
  return appliance::Idempotency{std::string(head.idempotency_key), base::Secret(digest)};
}

}  // namespace

std::optional<Problem> channel_fault(const appliance::ChannelPtr& channel) {
  if (!channel) return plain(Code::channel_unknown);
  switch (channel->status) {
    case appliance::ChannelStatus::active:
      return {};
    case appliance::ChannelStatus::suspended:
      return plain(Code::channel_suspended);
    case appliance::ChannelStatus::revoked:
      return plain(Code::channel_revoked);
  }
  return plain(Code::channel_unknown);
}

Admission admit(const RequestHead& head, std::string_view body, const appliance::ChannelPtr& channel,
                const std::string& request_id) {
  Admission out;
  if (auto fault = channel_fault(channel)) {
    out.verdict = std::move(*fault);
    return out;
  }
  const auto found = match(head.method, head.path);
  out.route = found.route;
  if (out.route == nullptr) {
    Problem fault = plain(found.allow.empty() ? Code::not_found : Code::method_not_allowed);
    fault.allow = found.allow;
    out.verdict = std::move(fault);
  } else if (!out.route->permits(channel->role)) {
    out.verdict = plain(Code::role_not_permitted);
  } else if (auto fault = body_fault(*out.route, head)) {
    out.verdict = std::move(*fault);
  } else if (out.route->parse == nullptr) {
    if (head.query.empty())
      out.verdict = Whoami{};
    else
      out.verdict = invalid("This operation takes no query.");
  } else {
    auto request = read_request(*out.route, head, found.id, body, channel->role);
    if (auto* const problem = std::get_if<Problem>(&request)) {
      out.verdict = std::move(*problem);
    } else if (auto* const found_late = std::get_if<OfValues>(&request)) {
      if (auto key = idempotency(*out.route, head, body)) {
        out.key_first =
            appliance::Call{channel, appliance::RefusedAtDoor{}, std::move(key),
                            [request_id, problem = found_late->problem](const appliance::Answer& answer) {
                              const bool ours = std::holds_alternative<appliance::DoorRefusal>(answer);
                              return ours ? render(problem, request_id) : render(answer, request_id);
                            }};
      }
      out.verdict = std::move(found_late->problem);
    } else {
      out.verdict = appliance::Call{
          channel, std::move(std::get<appliance::Request>(request)), idempotency(*out.route, head, body),
          [request_id](const appliance::Answer& answer) { return render(answer, request_id); }};
    }
  }
  return out;
}

}  // namespace sigillo::api
