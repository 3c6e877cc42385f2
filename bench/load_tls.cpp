#include "load_tls.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace sigillo::bench {

void give_up(const char* doing) {
  std::array<char, 256> why{};
  if (const auto code = ERR_get_error(); code != 0)
    ERR_error_string_n(code, why.data(), why.size());
  else
    std::snprintf(why.data(), why.size(), "%s", std::strerror(errno));
  std::fprintf(stderr, "bench_load: %s: %s\n", doing, why.data());
  std::_Exit(1);
}

ClientContext::ClientContext(const Peer& peer) : context_(SSL_CTX_new(TLS_client_method())) {
  auto* const ctx = context_.get();
  SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);  // every handshake is a full one
  SSL_CTX_set_read_ahead(ctx, 1);                           // header and body of a record in one read
  // Without the last one a chain for the own certificate is looked for, and verified, at each handshake.
  SSL_CTX_set_mode(
      ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(ctx, verify, this);
  if (SSL_CTX_load_verify_file(ctx, peer.ca.c_str()) != 1) give_up("reading the CA");
  if (peer.certificate.empty()) return;
  if (SSL_CTX_use_certificate_chain_file(ctx, peer.certificate.c_str()) != 1)
    give_up("reading the certificate");
  if (SSL_CTX_use_PrivateKey_file(ctx, peer.key.c_str(), SSL_FILETYPE_PEM) != 1) give_up("reading the key");
}

int ClientContext::verify(X509_STORE_CTX* chain, void* self) {
  auto& verified = static_cast<ClientContext*>(self)->verified_;
  unsigned char* der = nullptr;
  const int size = i2d_X509(X509_STORE_CTX_get0_cert(chain), &der);
  if (size <= 0) return 0;
  const std::string shown(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  if (shown == verified) return 1;
  const int good = X509_verify_cert(chain);
  if (good == 1) verified = shown;
  return good;
}

SSL* ClientContext::make() const {
  auto* const ssl = SSL_new(context_.get());
  if (ssl == nullptr) give_up("making a connection");
  SSL_set_connect_state(ssl);
  SSL_set_tlsext_host_name(ssl, "localhost");
  return ssl;
}

Link::Link(const ClientContext& context, const Peer& peer)
    : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), ssl_(context.make()) {
  if (descriptor_ < 0) give_up("opening a socket");
  const int on = 1;
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(peer.port);
  ::inet_pton(AF_INET, peer.host.c_str(), &where.sin_addr);
  if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0 &&
      errno != EINPROGRESS)
    give_up("connecting");
  SSL_set_fd(ssl_.get(), descriptor_);
}

Link::~Link() {
  // A reset instead of TIME_WAIT: thousands of connections a second would use up the machine's ports.
  const linger now{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(descriptor_);
}

Link::State Link::handshake() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) return State::open;
  const int why = SSL_get_error(ssl_.get(), done);
  return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? State::connecting : State::failed;
}

bool Link::send(std::string_view bytes) {
  // A request is far smaller than a socket's buffer, and the one before it was answered.
  return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) ==
         static_cast<int>(bytes.size());
}

bool Link::receive(std::string& buffer) {
  std::array<char, 16384> part;  // NOLINT: filled by SSL_read
  const int got = SSL_read(ssl_.get(), part.data(), static_cast<int>(part.size()));
  if (got > 0) {
    buffer.append(part.data(), static_cast<std::size_t>(got));
    return true;
  }
  ERR_clear_error();
  return SSL_get_error(ssl_.get(), got) == SSL_ERROR_WANT_READ;
}

}  // namespace sigillo::bench
