// A real TLS server on ephemeral loopback ports, with a scripted service behind it.
#pragma once

#include <gtest/gtest.h>

#include <api/server.hpp>

#include "fake_service.hpp"
#include "tls_client.hpp"

namespace sigillo::api::test {

inline const std::string kVerification = R"({"subject":"RSSMRA85T10A562S","pin":"ABCD2345"})";

class ServerTest : public testing::Test {
 protected:
  ServerTest() : portal_(pki_.issue("p1", "URI:urn:sigillo:channel:portal:p1")) {
    service_.enrol(appliance::Role::portal, "p1", portal_.key_digest());
    options_.listen = {"127.0.0.1", 0};
    options_.monitor = {"127.0.0.1", 0};
    options_.certificate = pki_.server_file();
    options_.channel_ca = pki_.ca_file();
    options_.key = pki_.server().key.get();
    options_.quotas = {.per_second = 0, .burst = 0};
    options_.io_threads = 2;
  }

  void serve() {
    auto opened = Server::open(options_, service_, clock_);
    ASSERT_TRUE(opened) << opened.error().detail();
    server_ = std::move(opened).value();
    server_->start();
  }
  std::unique_ptr<TlsClient> connect() { return connect(portal_); }
  std::unique_ptr<TlsClient> connect(const Identity& identity) {
    return std::make_unique<TlsClient>(server_->port(), pki_, &identity);
  }
  std::string monitor(std::string_view path) {
    PlainClient client(server_->monitor_port());
    client.send(get(path));
    return client.receive_all();
  }

  static inline const TestPki pki_;
  Identity portal_;
  base::ManualClock clock_{{1'700'000'000'000}};
  FakeService service_;
  ServerOptions options_;
  std::unique_ptr<Server> server_;
};

}  // namespace sigillo::api::test
