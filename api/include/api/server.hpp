// Server: the HTTPS listener of the channels and the plain monitor listener on loopback. It owns sockets,
// TLS, threads, deadlines, quotas and metrics; it decides nothing and sees no key but the TLS one, as an
// EVP_PKEY whose private operation is the HSM's. What it calls is one appliance::Service. Thread rule:
// open(), start(), stop() and the destructor on one thread; the rest from any. The service and the clock
// outlive it, and the service answers every call that it was given (its own deadlines see to that): the
// destructor waits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <openssl/types.h>

#include <appliance/config.hpp>
#include <appliance/service.hpp>
#include <base/clock.hpp>
#include <base/result.hpp>

namespace sigillo::api {

enum class Errc : std::uint16_t {
  address = 501,  // not an address of this machine, or a monitor that is not on loopback
  port = 502,     // taken by another process, or not allowed; raw is errno
  certificate =
      503,  // the server's certificate, its key, or the channel CA cannot be used; raw is OpenSSL's error
};

// Each is counted from the start of its phase, and no byte that trickles in extends it.
struct Deadlines {
  base::Duration handshake = base::seconds(10);
  base::Duration header = base::seconds(5);
  base::Duration body = base::seconds(10);
  base::Duration handler = base::seconds(30);
  base::Duration write = base::seconds(10);
  base::Duration idle = base::seconds(75);
  base::Duration grace = base::seconds(5);     // of stop(): what requests in flight get
  base::Duration farewell = base::seconds(1);  // of a TLS shutdown
};

struct Limits {
  std::uint32_t connections = 4096;
  std::uint32_t per_certificate = 2048;
  // Who are not authenticated yet. Past it the oldest that has said nothing goes; where all have, the
  // kernel's queue waits.
  std::uint32_t handshakes = 256;
  std::uint32_t monitor_connections = 16;
  // Of large answers (pages of the ledger, leases) that are made or not taken yet; past it 503 `overloaded`.
  std::size_t answer_bytes_per_channel = std::size_t{16} << 20;
  std::size_t answer_bytes = std::size_t{64} << 20;
};

struct Endpoint {
  std::string host;        // an IP address, or localhost
  std::uint16_t port = 0;  // 0 takes a free one
};

struct ServerOptions {
  Endpoint listen, monitor;
  std::string certificate;  // PEM chain, the server's first
  std::string channel_ca;   // PEM
  EVP_PKEY* key = nullptr;  // none: sealed, until use_key()
  appliance::Quotas quotas;
  appliance::AuditConfig audit = {};  // where checkpoints are pushed to, if anywhere
  Deadlines deadlines = {};
  Limits limits = {};
  unsigned io_threads = 0;  // 0: one for two cores
};

// Whether both endpoints could be listened on now. Asked before the store is opened: opening it raises the
// anchor's epoch, which would take the answers away from a sigillod that is running on the same store and the
// same port.
base::Result<void> check_endpoints(const Endpoint& listen, const Endpoint& monitor);

class Server {
 public:
  // Bound and listening, not yet serving. Without a key the certificates are read and checked, and
  // connections are closed before their handshake.
  static base::Result<std::unique_ptr<Server>> open(ServerOptions options, appliance::Service& service,
                                                    const base::Clock& clock);
  ~Server();

  void start();
  // Closes the listener, lets requests in flight end within the grace time, says farewell, then cuts.
  void stop();
  // Certificate and CA read again, for the connections to come; on an error the old ones stay (SIGHUP).
  base::Result<void> reload_tls();

  // The key of the handshakes to come; nullptr: there are none, for the key's token has gone. Connections
  // that are open stay, and are answered what the service says. On an error nothing has changed.
  base::Result<void> use_key(EVP_PKEY* key);
  // Whether the I/O threads did what they were given at the last beat, and a handshake thread came back from
  // something within `patience`, or had nothing to do. False is a loop that hangs, or an HSM that signs for
  // no new connection and does not come back.
  bool beat(base::Duration patience);

  std::uint16_t port() const;
  std::uint16_t monitor_port() const;
  std::size_t connections() const;

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace sigillo::api
