#include "tls_client.hpp"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <csignal>

namespace sigillo::api::test {
namespace {

int connect_to(std::uint16_t port) {
  const int out = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{20, 0};
  ::setsockopt(out, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(out, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(out, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0) return out;
  ::close(out);
  return -1;
}

bool stirs(int socket, int limit_ms) {
  pollfd one{socket, POLLIN | POLLRDHUP, 0};
  return ::poll(&one, 1, limit_ms) > 0;
}

}  // namespace

TlsClient::TlsClient(std::uint16_t port, const TestPki& pki, const Identity* identity, int tls_version)
    : socket_(connect_to(port)), context_(SSL_CTX_new(TLS_client_method())) {
  std::signal(SIGPIPE, SIG_IGN);  // a server that hangs up is what many tests wait for
  if (socket_ < 0) return;
  SSL_CTX_set_max_proto_version(context_, tls_version);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), pki.ca());
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  if (identity != nullptr) {
    SSL_CTX_use_certificate(context_, identity->certificate.get());
    SSL_CTX_use_PrivateKey(context_, identity->key.get());
  }
  ssl_ = SSL_new(context_);
  SSL_set1_host(ssl_, "localhost");
  SSL_set_fd(ssl_, socket_);
  connected_ = SSL_connect(ssl_) == 1;
}

TlsClient::~TlsClient() {
  SSL_free(ssl_);
  SSL_CTX_free(context_);
  if (socket_ >= 0) ::close(socket_);
}

bool TlsClient::send(std::string_view bytes) {
  return connected_ &&
         SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) == static_cast<int>(bytes.size());
}

bool TlsClient::read_more() {
  std::array<char, 16384> block;
  errno = 0;
  const int count = connected_ ? SSL_read(ssl_, block.data(), static_cast<int>(block.size())) : 0;
  if (count > 0) in_.append(block.data(), static_cast<std::size_t>(count));
  return count > 0;
}

std::optional<Response> TlsClient::receive(bool with_body) {
  std::size_t end = 0;
  while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
    if (!read_more()) return {};
  }
  Response out;
  out.status = std::stoi(in_.substr(9, 3));
  for (std::size_t at = in_.find("\r\n") + 2; at < end + 2;) {
    const auto line_end = in_.find("\r\n", at);
    const auto colon = in_.find(':', at);
    std::string name = in_.substr(at, colon - at);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    out.headers[name] = in_.substr(colon + 2, line_end - colon - 2);
    at = line_end + 2;
  }
  const auto length =
      with_body && out.headers.contains("content-length") ? std::stoul(out.headers["content-length"]) : 0UL;
  while (in_.size() < end + 4 + length) {
    if (!read_more()) return {};
  }
  out.body = in_.substr(end + 4, length);
  in_.erase(0, end + 4 + length);
  return out;
}

bool TlsClient::at_end() {
  while (read_more()) {
  }
  return errno != EAGAIN;  // 20 s without a byte is a server that did not close
}

bool TlsClient::stirs_within(int limit_ms) {
  return stirs(socket_, limit_ms);
}

PlainClient::PlainClient(std::uint16_t port) : socket_(connect_to(port)) {}
PlainClient::~PlainClient() {
  ::close(socket_);
}

bool PlainClient::send(std::string_view bytes) {
  return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

bool PlainClient::stirs_within(int limit_ms) {
  return stirs(socket_, limit_ms);
}

std::string PlainClient::receive_all() {
  std::string out;
  std::array<char, 4096> block;
  for (ssize_t count = 0; (count = ::recv(socket_, block.data(), block.size(), 0)) > 0;) {
    out.append(block.data(), static_cast<std::size_t>(count));
  }
  return out;
}

std::string post(std::string_view path, std::string_view body, std::string_view key,
                 std::string_view more_headers) {
  std::string out =
      "POST " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
  if (!key.empty()) out.append("Idempotency-Key: ").append(key).append("\r\n");
  out.append(more_headers).append("Content-Length: ").append(std::to_string(body.size())).append("\r\n\r\n");
  return out.append(body);
}

std::string get(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

}  // namespace sigillo::api::test
