#include "response.hpp"

#include <base/bytes.hpp>
#include <base/crypto.hpp>

#include <boost/beast/http/status.hpp>

#include <array>
#include <charconv>
#include <ctime>

namespace sigillo::api {
namespace {

// IMF-fixdate (RFC 9110 section 5.6.7), made anew once a second.
std::string_view http_date(base::Instant now) {
  thread_local std::array<char, 32> text{};
  thread_local std::size_t size = 0;
  thread_local std::int64_t made_for = -1;
  const std::int64_t second = now.ms / 1000;
  if (second != made_for) {
    const auto time = static_cast<std::time_t>(second);
    std::tm parts{};
    gmtime_r(&time, &parts);
    size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    made_for = second;
  }
  return {text.data(), size};
}

void append_number(std::string& out, std::size_t number) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

}  // namespace

// Drawn for many at once: a draw costs what it costs, however few bytes it is for.
std::string new_request_id() {
  constexpr std::size_t kBytes = 15;
  thread_local base::ByteArray<32 * kBytes> random;
  thread_local std::size_t used = random.size();
  if (used == random.size()) {
    base::random_bytes(random);
    used = 0;
  }
  used += kBytes;
  return base::to_base64url(base::ByteView(random).subspan(used - kBytes, kBytes));
}

void compose(const ResponseParts& parts, base::Instant now, std::string& out) {
  const auto reason =
      boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(parts.status));
  out.clear();
  out.reserve(512 + parts.headers.size() + parts.body.size());
  out += "HTTP/1.1 ";
  append_number(out, parts.status);
  out.append(" ").append(reason.data(), reason.size()).append("\r\nDate: ").append(http_date(now));
  out += "\r\nContent-Type: ";
  out += parts.status >= 400 ? "application/problem+json"
         : parts.text_plain  ? "text/plain; charset=utf-8"
                             : "application/json";
  out += "\r\nContent-Length: ";
  append_number(out, parts.body.size());
  out.append("\r\nCache-Control: no-store\r\nX-Request-Id: ").append(parts.request_id).append("\r\n");
  out += parts.headers;
  if (parts.close) out += "Connection: close\r\n";
  out += "\r\n";
  if (parts.body_too) out += parts.body;
}

}  // namespace sigillo::api
