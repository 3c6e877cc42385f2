#include "monitor.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_static_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <api/render.hpp>

#include "json_writer.hpp"
#include "response.hpp"
#include "tls.hpp"

namespace sigillo::api {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Response = http::response<http::string_body>;

std::string readiness_json(const appliance::Readiness& readiness) {
  JsonWriter out;
  out.begin_object().member("status", readiness.ready ? "ready" : "not-ready").key("reasons").begin_array();
  for (const auto& reason : readiness.reasons) out.text(reason);
  out.end_array().end_object();
  return out.take_open();
}

Response respond(Core& core, const http::request<http::empty_body>& request) {
  const auto id = new_request_id();
  Response out{http::status::ok, 11};
  out.keep_alive(false);
  out.set(http::field::cache_control, "no-store");
  out.set(http::field::content_type, "application/json");
  out.set("X-Request-Id", id);
  const auto refuse = [&](Code code) {
    const auto problem = render(Problem{.code = code, .pointer = {}}, id);
    out.result(problem.status);
    out.set(http::field::content_type, "application/problem+json");
    out.body() = problem.body.expose_text();
  };
  const auto path = request.target().substr(0, request.target().find('?'));
  const bool known = path == "/livez" || path == "/readyz" || path == "/metrics";
  if (known && request.method() != http::verb::get) {
    out.set(http::field::allow, "GET");
    refuse(Code::method_not_allowed);
  } else if (path == "/livez") {
    out.body() = "{\"status\":\"alive\"}";
  } else if (path == "/readyz") {
    const auto readiness = core.readiness();
    out.result(readiness.ready ? http::status::ok : http::status::service_unavailable);
    out.body() = readiness_json(readiness);
  } else if (path == "/metrics") {
    out.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
    out.body() =
        core.metrics.scrape(core.channels.size(), core.answers.held(),
                            {core.readiness(), core.service.readings(), certificate_ends(core.tls())});
  } else {
    refuse(Code::not_found);
  }
  out.prepare_payload();
  return out;
}

}  // namespace

asio::awaitable<void> serve_monitor(Core& core, asio::ip::tcp::socket socket) {
  constexpr auto quietly = asio::as_tuple(asio::use_awaitable);
  Watch watch(core.monitors, socket.native_handle());
  watch.phase(core.options.deadlines.header);
  boost::beast::flat_static_buffer<4096> buffer;
  http::request_parser<http::empty_body> parser;
  parser.header_limit(4096);
  const auto [read_error, read] = co_await http::async_read(socket, buffer, parser, quietly);
  if (read_error) co_return;
  const auto response = respond(core, parser.get());
  watch.phase(core.options.deadlines.write);
  (void)co_await http::async_write(socket, response, quietly);
  boost::system::error_code ignored;
  socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

}  // namespace sigillo::api
