// A request through the whole door without a socket: what a channel of that role gets for this body.
#pragma once

#include <string>

#include "admission.hpp"

namespace sigillo::api::test {

inline appliance::ChannelPtr channel_of(appliance::Role role) {
  appliance::Channel made;
  made.role = role;
  made.name = "c1";
  return std::make_shared<const appliance::Channel>(std::move(made));
}

inline RequestHead head_of(std::string_view method, std::string_view path, std::string_view body,
                           std::string_view key) {
  RequestHead head;
  head.method = method;
  const auto mark = path.find('?');
  head.path = path.substr(0, mark);
  if (mark != std::string_view::npos) head.query = path.substr(mark + 1);
  head.content_type = method == "POST" ? "application/json" : "";
  head.content_length = body.size();
  head.idempotency_key = key;
  head.idempotency_key_given = !key.empty();
  return head;
}

inline Admission ask(appliance::Role role, std::string_view method, std::string_view path,
                     std::string_view body, std::string_view key = "key-1") {
  return admit(head_of(method, path, body, key), body, channel_of(role), "request-1");
}

template <class T>
const T* request_of(const Admission& admission) {
  const auto* const call = std::get_if<appliance::Call>(&admission.verdict);
  return call == nullptr ? nullptr : std::get_if<T>(&call->request);
}

inline const Problem* problem_of(const Admission& admission) {
  return std::get_if<Problem>(&admission.verdict);
}

}  // namespace sigillo::api::test
