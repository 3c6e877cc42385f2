// Admission: a complete HTTP request of a known channel becomes a Call, or a Problem, by the checks of the
// contract in the contract's order: channel status, path, method, role, media type, size, JSON,
// Idempotency-Key, values. The decision is the service's. No socket here: the whole door can be tested, and
// fuzzed, without one. Thread rule: pure functions.
#pragma once

#include <string>
#include <variant>

#include <api/problem.hpp>
#include <api/routes.hpp>
#include <appliance/service.hpp>

#include "header_gate.hpp"

namespace sigillo::api {

struct Whoami {};  // the one operation that needs no service

struct Admission {
  const Route* route = nullptr;  // as soon as it is known, also where a Problem follows: metrics are by route
  std::variant<Problem, Whoami, appliance::Call> verdict;
  // Where the Problem is of values and a key was sent: the key comes before values, so this is asked, and its
  // answer is the Problem where the key was free.
  std::optional<appliance::Call> key_first = {};
};

// 403 where the channel is not enrolled, suspended or revoked: asked at every request, so that a revocation
// cuts off a connection that is open.
std::optional<Problem> channel_fault(const appliance::ChannelPtr& channel);

// `body` is whole, or not there where it was over kBodyMax (head.content_length says so).
Admission admit(const RequestHead& head, std::string_view body, const appliance::ChannelPtr& channel,
                const std::string& request_id);

}  // namespace sigillo::api
