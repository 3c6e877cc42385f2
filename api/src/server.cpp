#include <api/server.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <future>
#include <thread>
#include <vector>

#include <base/cores.hpp>
#include <base/log.hpp>
#include <base/thread_name.hpp>

#include "checkpoint_push.hpp"
#include "connection.hpp"
#include "monitor.hpp"

namespace sigillo::api {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
constexpr auto kQuietly = asio::as_tuple(asio::use_awaitable);

base::Result<tcp::acceptor> listen(asio::io_context& io, const Endpoint& endpoint, bool loopback_only) {
  error_code ec;
  const auto address = asio::ip::make_address(endpoint.host == "localhost" ? "127.0.0.1" : endpoint.host, ec);
  if (ec) return base::Error(Errc::address, "a listener is given by an IP address, or localhost");
  // Metrics have no door of their own: what can reach the monitor can read it.
  if (loopback_only && !address.is_loopback())
    return base::Error(Errc::address, "the monitor listens on loopback only");
  tcp::acceptor out(asio::make_strand(io));
  const tcp::endpoint where(address, endpoint.port);
  out.open(where.protocol(), ec);
  if (!ec) out.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec) out.bind(where, ec);
  if (ec == asio::error::address_in_use || ec == asio::error::access_denied) {
    return base::Error(Errc::port, "the port is taken or not allowed",
                       static_cast<unsigned long>(ec.value()));
  }
  if (!ec) out.listen(asio::socket_base::max_listen_connections, ec);
  if (ec)
    return base::Error(Errc::address, "the address cannot be listened on",
                       static_cast<unsigned long>(ec.value()));
  return out;
}

asio::awaitable<void> pause(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(kQuietly);
}

// A connection that ran out of locked memory ends alone; it says so. Nothing else of ours throws.
void ended(std::exception_ptr failure) {
  if (failure) base::log::error("connection-failed", {{"reason", "out of locked memory"}});
}

asio::awaitable<void> run_connection(Core& core, TlsContext tls, tcp::socket socket, Place place) {
  auto connection = std::make_unique<Connection>(core, std::move(tls), std::move(socket), std::move(place));
  co_await connection->run();
}

asio::awaitable<void> accept_channels(Core& core, asio::io_context& io, tcp::acceptor& acceptor) {
  const auto& limits = core.options.limits;
  while (acceptor.is_open()) {
    if (core.strangers.load() >= limits.handshakes) {
      // Only for somebody does somebody go.
      const auto [waited] = co_await acceptor.async_wait(tcp::acceptor::wait_read, kQuietly);
      if (waited == asio::error::operation_aborted || !acceptor.is_open()) co_return;
      if (core.strangers.load() >= limits.handshakes) {
        if (!core.channels.displace_one()) {
          co_await pause(std::chrono::milliseconds(10));
          continue;
        }
        core.metrics.displaced_connection();
      }
    }
    const asio::any_io_executor strand = asio::make_strand(io);
    auto [ec, socket] = co_await acceptor.async_accept(strand, kQuietly);
    if (ec == asio::error::operation_aborted || !acceptor.is_open()) co_return;
    if (ec) {  // no descriptors left, or the peer has gone: the next one may fare better
      base::log::warn("accept-failed", {{"error", ec.value()}});
      co_await pause(std::chrono::milliseconds(100));
      continue;
    }
    if (core.channels.size() >= limits.connections) {
      core.metrics.refused_connection();
      continue;
    }
    // Sealed: the key of a handshake is in the HSM, and so there is none. The socket closes.
    auto tls = core.tls();
    if (!tls) {
      core.metrics.refused_connection();
      continue;
    }
    asio::co_spawn(strand, run_connection(core, std::move(tls), std::move(socket), Place(core.strangers)),
                   ended);
  }
}

asio::awaitable<void> accept_monitors(Core& core, asio::io_context& io, tcp::acceptor& acceptor) {
  while (acceptor.is_open()) {
    const asio::any_io_executor strand = asio::make_strand(io);
    auto [ec, socket] = co_await acceptor.async_accept(strand, kQuietly);
    if (ec == asio::error::operation_aborted || !acceptor.is_open()) co_return;
    if (ec)
      co_await pause(std::chrono::milliseconds(100));
    else if (core.monitors.size() < core.options.limits.monitor_connections) {
      asio::co_spawn(strand, serve_monitor(core, std::move(socket)), ended);
    }
  }
}

asio::awaitable<void> sweep(Core& core) {
  for (;;) {
    co_await pause(std::chrono::milliseconds(100));
    core.channels.sweep(steady_ms());
    core.monitors.sweep(steady_ms());
  }
}

// Closed on its own strand, where it accepts; returns when it is.
void close(tcp::acceptor& acceptor) {
  std::promise<void> closed;
  asio::post(acceptor.get_executor(), [&] {
    error_code ignored;
    acceptor.close(ignored);
    closed.set_value();
  });
  closed.get_future().wait();
}

}  // namespace

base::Result<void> check_endpoints(const Endpoint& listen_on, const Endpoint& monitor_on) {
  asio::io_context io;
  SIGILLO_TRY(auto channels, listen(io, listen_on, false));
  SIGILLO_TRY(auto monitor, listen(io, monitor_on, true));
  return base::ok();
}

struct Server::Parts {
  Parts(ServerOptions options, appliance::Service& service, const base::Clock& clock)
      : core(std::move(options), service, clock) {}

  Core core;
  asio::io_context io;  // after the core: connections that it holds go first
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::optional<tcp::acceptor> channels, monitor;
  std::uint16_t port = 0, monitor_port = 0;
  std::atomic<bool> beaten = true;
  std::vector<std::thread> threads;
  std::unique_ptr<HttpsPost> post;  // until start()
  std::unique_ptr<CheckpointPush> push;
};

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

base::Result<std::unique_ptr<Server>> Server::open(ServerOptions options, appliance::Service& service,
                                                   const base::Clock& clock) {
  SIGILLO_TRY(auto tls, make_tls_context(options));
  auto parts = std::make_unique<Parts>(std::move(options), service, clock);
  if (parts->core.options.key != nullptr) parts->core.tls_context = std::move(tls);
  SIGILLO_TRY(auto channels, listen(parts->io, parts->core.options.listen, false));
  SIGILLO_TRY(auto monitor, listen(parts->io, parts->core.options.monitor, true));
  parts->port = channels.local_endpoint().port();
  parts->monitor_port = monitor.local_endpoint().port();
  const auto& audit = parts->core.options.audit;
  if (!audit.checkpoint_url.empty()) {
    SIGILLO_TRY(parts->post, HttpsPost::create(audit.checkpoint_url, audit.checkpoint_ca));
  }
  parts->channels.emplace(std::move(channels));
  parts->monitor.emplace(std::move(monitor));
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

void Server::start() {
  Parts& parts = *parts_;
  asio::co_spawn(parts.channels->get_executor(), accept_channels(parts.core, parts.io, *parts.channels),
                 ended);
  asio::co_spawn(parts.monitor->get_executor(), accept_monitors(parts.core, parts.io, *parts.monitor), ended);
  asio::co_spawn(parts.io, sweep(parts.core), ended);
  const unsigned wanted = parts.core.options.io_threads;
  const unsigned count = wanted != 0 ? wanted : base::half_of_the_cores();
  const auto serve = [&parts] {
    base::name_thread("io");
    parts.io.run();
  };
  for (unsigned i = 0; i < count; ++i) parts.threads.emplace_back(serve);
  if (parts.post)
    parts.push =
        std::make_unique<CheckpointPush>(std::move(parts.post), parts.core.service, parts.core.metrics,
                                         parts.core.options.audit.checkpoint_interval);
}

void Server::stop() {
  Parts& parts = *parts_;
  if (parts.threads.empty()) return;
  Core& core = parts.core;
  close(*parts.channels);
  core.channels.drain();
  if (!core.channels.wait_empty(core.options.deadlines.grace)) {
    base::log::warn("stop-cut", {{"connections", core.channels.size()}});
    core.channels.cut_all();
    // One that waits for the service stays; it has no socket to speak to any more.
    (void)core.channels.wait_empty(core.options.deadlines.farewell);
  }
  close(*parts.monitor);
  core.monitors.cut_all();
  (void)core.monitors.wait_empty(core.options.deadlines.farewell);
  // Last: a name server that does not answer may hold its thread up, and no channel waits for that.
  parts.push.reset();
  parts.work.reset();
  parts.io.stop();
  for (auto& thread : parts.threads) thread.join();
  parts.threads.clear();
}

Server::~Server() {
  stop();
  parts_->core.in_flight.wait_none();
  parts_->core.handshake_threads.stop();
}

base::Result<void> Server::reload_tls() {
  Core& core = parts_->core;
  const std::lock_guard lock(core.tls_mutex);
  SIGILLO_TRY(auto fresh, make_tls_context(core.options));
  if (core.options.key != nullptr) core.tls_context = std::move(fresh);
  return base::ok();
}

base::Result<void> Server::use_key(EVP_PKEY* key) {
  Core& core = parts_->core;
  const std::lock_guard lock(core.tls_mutex);
  ServerOptions options = core.options;
  options.key = key;
  SIGILLO_TRY(auto fresh, make_tls_context(options));
  core.options.key = key;
  core.tls_context = key != nullptr ? std::move(fresh) : TlsContext();
  return base::ok();
}

bool Server::beat(base::Duration patience) {
  Parts& parts = *parts_;
  const bool shaking = parts.core.handshake_threads.move(patience);
  if (!parts.beaten.exchange(false)) return false;
  asio::post(parts.io, [&parts] { parts.beaten = true; });
  return shaking;
}

std::uint16_t Server::port() const {
  return parts_->port;
}
std::uint16_t Server::monitor_port() const {
  return parts_->monitor_port;
}
std::size_t Server::connections() const {
  return parts_->core.channels.size();
}

}  // namespace sigillo::api
