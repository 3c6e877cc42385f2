// A response's bytes, header and body in one buffer, so that one write and one TLS record carry it.
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <base/clock.hpp>

namespace sigillo::api {

struct ResponseParts {
  std::uint16_t status;
  bool text_plain;  // of a good answer; a bad one is always application/problem+json
  bool close;
  bool body_too;  // not for HEAD: its length only
  std::string_view request_id, headers, body;
};
// 20 characters of base64url, random: what X-Request-Id says. Any thread.
std::string new_request_id();
void compose(const ResponseParts& parts, base::Instant now, std::string& out);

}  // namespace sigillo::api
