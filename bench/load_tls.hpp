// TLS for the load generator: raw OpenSSL on non-blocking sockets, one system call to send a request and one
// to read its answer. Thread rule: one owner. Failures end the program: a bench that goes on without a
// connection measures something else.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <openssl/ssl.h>

namespace sigillo::bench {

struct Peer {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::string ca, certificate, key;  // certificate empty: the server alone shows one
};

[[noreturn]] void give_up(const char* doing);

class ClientContext {
 public:
  explicit ClientContext(const Peer& peer);
  SSL* make() const;
  // A server's certificate is verified at its first handshake, and after that compared with what was: for the
  // server every handshake is a whole one, and the generator shares its cores.
  static int verify(X509_STORE_CTX* chain, void* self);

 private:
  std::string verified_;  // DER
  struct Free {
    void operator()(SSL_CTX* it) const { SSL_CTX_free(it); }
  };
  std::unique_ptr<SSL_CTX, Free> context_;
};

class Link {
 public:
  enum class State { connecting, open, failed };
  Link(const ClientContext& context, const Peer& peer);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link();

  int descriptor() const { return descriptor_; }
  State handshake();  // goes on where it stopped; call again when the socket is ready
  bool send(std::string_view bytes);
  // Appends what is there to `buffer`; false: the peer has closed, or worse.
  bool receive(std::string& buffer);

 private:
  struct Free {
    void operator()(SSL* it) const { SSL_free(it); }
  };
  int descriptor_ = -1;
  std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace sigillo::bench
