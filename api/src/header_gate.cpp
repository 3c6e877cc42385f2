#include "header_gate.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>

#include <algorithm>
#include <charconv>

namespace sigillo::api {
namespace {

namespace http = boost::beast::http;

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return boost::beast::iequals({a.data(), a.size()}, {b.data(), b.size()});
}

// Lines end in CRLF and only there; no line goes on in the next (obs-fold, RFC 9112 section 5.2); no NUL.
std::string_view raw_fault(std::string_view block) {
  for (std::size_t i = 0; i < block.size(); ++i) {
    const char c = block[i];
    if (c == '\0') return "The header holds a NUL.";
    if (c == '\r' && (i + 1 == block.size() || block[i + 1] != '\n')) return "The header holds a stray CR.";
    if (c != '\n') continue;
    if (i == 0 || block[i - 1] != '\r') return "The header holds a stray LF.";
    if (i + 1 < block.size() && (block[i + 1] == ' ' || block[i + 1] == '\t'))
      return "A header line is folded.";
  }
  return {};
}

std::string_view text(boost::beast::string_view value) {
  return {value.data(), value.size()};
}

std::string_view length_fault(const HeadStore& store, RequestHead& head) {
  const auto count = store.count(http::field::content_length);
  if (count == 0) return {};
  if (count > 1) return "Content-Length stands here twice.";
  const auto value = text(store[http::field::content_length]);
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), head.content_length);
  if (error != std::errc() || end != value.data() + value.size()) return "Content-Length is no number.";
  return {};
}

std::string_view target_fault(std::string_view target, RequestHead& head) {
  if (target.empty() || target.front() != '/') return "The target has to be a path.";
  const auto mark = target.find('?');
  head.path = target.substr(0, mark);
  if (mark != std::string_view::npos) head.query = target.substr(mark + 1);
  return {};
}

}  // namespace

std::string_view read_head(std::string_view block, HeadStore& store, RequestHead& head) {
  if (const auto fault = raw_fault(block); !fault.empty()) return fault;
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(kHeaderMax));
  parser.body_limit(boost::none);
  boost::beast::error_code ec;
  parser.put(boost::asio::buffer(block.data(), block.size()), ec);
  if (ec || !parser.is_header_done()) return "The header is not well formed.";
  head = {};
  head.keep_alive = parser.keep_alive();
  store = std::move(static_cast<HeadStore&>(parser.get()));
  if (store.version() != 11) return "The protocol has to be HTTP/1.1.";
  if (store.count(http::field::transfer_encoding) != 0) return "Transfer-Encoding is not taken.";
  if (store.count(http::field::host) != 1 || store[http::field::host].empty())
    return "Host has to be there, once.";
  if (store.count(http::field::content_type) > 1) return "Content-Type stands here twice.";
  if (const auto fault = length_fault(store, head); !fault.empty()) return fault;
  if (const auto fault = target_fault(text(store.target()), head); !fault.empty()) return fault;
  head.method = text(store.method_string());
  head.content_type = text(store[http::field::content_type]);
  head.encoded = store.count(http::field::content_encoding) != 0;
  const auto keys = store.count("Idempotency-Key");
  head.idempotency_key_given = keys != 0;
  head.idempotency_key_repeated = keys > 1;
  head.idempotency_key = text(store["Idempotency-Key"]);
  if (store.count(http::field::expect) != 0) {
    if (!equal_ignoring_case(text(store[http::field::expect]), "100-continue"))
      return "Expect is not understood.";
    head.expects_continue = true;
  }
  return {};
}

bool is_json(std::string_view content_type) {
  const auto semicolon = content_type.find(';');
  auto type = content_type.substr(0, semicolon);
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  if (!equal_ignoring_case(type, "application/json")) return false;
  if (semicolon == std::string_view::npos) return true;
  const auto parameters = content_type.substr(semicolon);
  http::param_list list(boost::beast::string_view(parameters.data(), parameters.size()));
  return std::all_of(list.begin(), list.end(), [](const auto& one) {
    return !equal_ignoring_case(text(one.first), "charset") || equal_ignoring_case(text(one.second), "utf-8");
  });
}

}  // namespace sigillo::api
