// The monitor listener: GET /livez, /readyz and /metrics in plain HTTP on loopback, apart from the channels'
// listener so that a scrape needs no certificate and a full channel side cannot hide what is wrong. One
// request a connection. Thread rule: one strand a connection.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "core.hpp"

namespace sigillo::api {

boost::asio::awaitable<void> serve_monitor(Core& core, boost::asio::ip::tcp::socket socket);

}  // namespace sigillo::api
