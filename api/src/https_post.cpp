#include "https_post.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_static_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

namespace sigillo::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

bool is_address(const std::string& host) {
  boost::system::error_code error;
  static_cast<void>(asio::ip::make_address(host, error));
  return !error;
}

http::request<http::string_body> request_of(const PostTarget& to, const std::string& text) {
  http::request<http::string_body> request{http::verb::post, to.path, 11};
  const bool v6 = to.host.find(':') != std::string::npos;
  const std::string host = v6 ? '[' + to.host + ']' : to.host;
  request.set(http::field::host, to.port == "443" ? host : host + ':' + to.port);
  request.set(http::field::user_agent, "sigillod");
  request.set(http::field::content_type, "text/plain; charset=utf-8");
  request.keep_alive(false);
  request.body() = text;
  request.prepare_payload();
  return request;
}

// Fails by exception, which ends in send().
asio::awaitable<unsigned> post(asio::ssl::context& tls, const PostTarget& to, const std::string& text) {
  const auto here = co_await asio::this_coro::executor;
  asio::ip::tcp::resolver resolver(here);
  const auto found = co_await resolver.async_resolve(to.host, to.port, asio::use_awaitable);
  asio::ssl::stream<beast::tcp_stream> stream(here, tls);
  if (!is_address(to.host) && SSL_set_tlsext_host_name(stream.native_handle(), to.host.c_str()) != 1)
    throw boost::system::system_error(asio::error::invalid_argument);
  stream.set_verify_callback(asio::ssl::host_name_verification(to.host));
  co_await stream.next_layer().async_connect(found, asio::use_awaitable);
  co_await stream.async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
  const auto request = request_of(to, text);
  co_await http::async_write(stream, request, asio::use_awaitable);
  beast::flat_static_buffer<8192> buffer;
  http::response_parser<http::empty_body> parser;
  parser.header_limit(8192);
  co_await http::async_read_header(stream, buffer, parser, asio::use_awaitable);
  co_return parser.get().result_int();
}

}  // namespace

std::optional<PostTarget> parse_https(std::string_view url) {
  constexpr std::string_view kScheme = "https://";
  if (!url.starts_with(kScheme)) return std::nullopt;
  url.remove_prefix(kScheme.size());
  const auto slash = url.find_first_of("/?#");
  auto authority = url.substr(0, slash);
  PostTarget out{{}, "443", "/"};
  if (slash != std::string_view::npos) {
    const auto rest = url.substr(slash);
    if (rest.find('#') != std::string_view::npos) return std::nullopt;
    out.path = (rest[0] == '/' ? "" : "/") + std::string(rest);
  }
  if (authority.find('@') != std::string_view::npos) return std::nullopt;  // a password has no place in there
  const auto bracket = authority.rfind(']');
  const auto colon = authority.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    out.port = authority.substr(colon + 1);
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with('[') && authority.ends_with(']'))
    authority = authority.substr(1, authority.size() - 2);
  out.host = authority;
  const bool digits = !out.port.empty() && out.port.size() <= 5 &&
                      out.port.find_first_not_of("0123456789") == std::string::npos;
  if (out.host.empty() || !digits) return std::nullopt;
  return out;
}

HttpsPost::HttpsPost(PostTarget target, base::Duration deadline)
    : target_(std::move(target)), deadline_(deadline) {}

base::Result<std::unique_ptr<HttpsPost>> HttpsPost::create(std::string_view url, const std::string& ca,
                                                           base::Duration deadline) {
  auto target = parse_https(url);
  if (!target) return base::Error(PostErrc::address, "not an https address");
  std::unique_ptr<HttpsPost> out(new HttpsPost(std::move(*target), deadline));
  boost::system::error_code error;
  out->tls_.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                        asio::ssl::context::no_tlsv1_1);
  out->tls_.set_verify_mode(asio::ssl::verify_peer, error);
  if (ca.empty()) {
    out->tls_.set_default_verify_paths(error);
  } else {
    out->tls_.load_verify_file(ca, error);
  }
  if (error)
    return base::Error(PostErrc::ca, "the CA's file cannot be used",
                       static_cast<unsigned long>(error.value()));
  return out;
}

base::Result<void> HttpsPost::send(const std::string& text) {
  asio::io_context io;
  {
    const std::lock_guard lock(mutex_);
    if (cancelled_) return base::Error(PostErrc::network, "no more is sent");
    running_ = &io;
  }
  std::optional<unsigned> status;
  const auto done = [&status](std::exception_ptr failed, unsigned answered) {
    if (!failed) status = answered;
  };
  asio::co_spawn(io, post(tls_, target_, text), done);
  io.run_for(std::chrono::milliseconds(deadline_.ms));
  {
    const std::lock_guard lock(mutex_);
    running_ = nullptr;
  }
  if (!status) return base::Error(PostErrc::network, "no answer of the server that it should be");
  if (*status / 100 != 2) return base::Error(PostErrc::refused, "the server did not take it", *status);
  return base::ok();
}

void HttpsPost::cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  if (running_ != nullptr) running_->stop();
}

}  // namespace sigillo::api
