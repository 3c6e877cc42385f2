// The header gate: what Beast 1.81 lets pass and a server in front of a PIN must not (measured):
// Transfer-Encoding beside Content-Length, no Host, two Hosts, obs-fold. The raw block is checked first,
// before the parser has smoothed it; then Beast parses it; then its fields are judged. The body is not the
// parser's: with one framing left it is Content-Length bytes, counted, so that Beast's body_limit (which
// reads into parser.get() bypass) has nothing to guard.
//
// The attack it stops (request smuggling, RFC 9112 section 11.2):
//   1. a channel's own proxy shares one TLS connection among its users;
//   2. one user sends a header that the proxy and we would frame differently (TE and CL, folded or repeated
//   CL);
//   3. what the proxy took for that user's body is, to us, the start of the next user's request, or the
//   reverse;
//   4. an answer, or a PIN, goes to the wrong one.
// So: one framing only (Content-Length, once), or nothing. A refused header ends the connection.
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string_view>

#include <boost/beast/http/message.hpp>

namespace sigillo::api {

inline constexpr std::size_t kHeaderMax = 8 * 1024;
inline constexpr std::size_t kBodyMax = 16 * 1024;
inline constexpr std::size_t kDropMax =
    64 * 1024;  // of a body that is too large: read and dropped, so that 413 arrives

struct RequestHead {
  std::string_view method, path, query, content_type, idempotency_key;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  bool expects_continue = false;
  bool encoded = false;  // Content-Encoding is there
  bool idempotency_key_given = false;
  bool idempotency_key_repeated = false;
};

using HeadStore = boost::beast::http::request_header<>;

// `block` is a whole header with its blank line. Empty where it is good: `head` then has views into `block`
// and `store`. Otherwise the reason, a literal, and the connection must end after the answer.
std::string_view read_head(std::string_view block, HeadStore& store, RequestHead& head);

bool is_json(std::string_view content_type);  // application/json, charset absent or UTF-8

}  // namespace sigillo::api
