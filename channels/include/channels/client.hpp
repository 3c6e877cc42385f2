// Client: a channel's way to the appliance: HTTPS with TLS 1.3 only, mutual, one connection that is kept
// alive, JSON in and out. Above it, the two operations that a courier needs, typed. Owner: the courier.
// Thread rule: one thread. Errors: channels::Errc. Never: follows a redirect, uses a proxy of the
// environment, trusts another CA than the one it was given, retries.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <base/clock.hpp>
#include <base/result.hpp>
#include <channels/stop.hpp>

namespace sigillo::channels {

struct ClientOptions {
  std::string server;                          // https://HOST:PORT
  std::string ca;                              // PEM file of the CA that the server certificate is under
  std::string certificate;                     // PEM file, this channel's
  std::string key;                             // PEM file, its private key: read by the owner only
  base::Duration timeout = base::seconds(30);  // of one exchange, connecting included
};

struct Lease {
  std::string delivery_id;  // 1 to 64 of [A-Za-z0-9_-]: checked, for it becomes a file name
  std::string sealed;       // JWE compact serialisation
  std::uint32_t attempt = 0;
};

struct Ack {
  std::string delivery_id;
  bool delivered = false;
  std::string reason;  // at most 64 characters, public; only where it failed
};

class Client {
 public:
  static base::Result<std::unique_ptr<Client>> create(const ClientOptions& options, Stop& stop);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // POST /v1/outbox/leases. Ends early with Errc::stopped where the process is told to end: what was leased
  // comes back.
  base::Result<std::vector<Lease>> lease(unsigned max);
  // POST /v1/outbox/acks, at most 100. Not ended early: what is acknowledged is not delivered twice. Gives
  // the ids that the appliance no longer knows.
  base::Result<std::vector<std::string>> acknowledge(std::span<const Ack> acks);

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sigillo::channels
