// A raw TLS client: sends the bytes it is told, well formed or not, and reads what comes. Blocking, with a
// limit of 20 s a read, so that a server that never answers fails a test and does not hang it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "test_pki.hpp"

namespace sigillo::api::test {

struct Response {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

class TlsClient {
 public:
  // No identity: no client certificate.
  TlsClient(std::uint16_t port, const TestPki& pki, const Identity* identity, int tls_version = 0x0304);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool connected() const {
    return connected_;
  }  // with TLS 1.3 a refused certificate shows at the first read only
  bool send(std::string_view bytes);
  std::optional<Response> receive(bool with_body = true);  // without: of HEAD
  bool at_end();                                           // waits for the server to close
  bool stirs_within(int limit_ms);                         // something came, or the server closed
  std::optional<Response> ask(std::string_view bytes) { return send(bytes) ? receive() : std::nullopt; }

 private:
  bool read_more();

  int socket_ = -1;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  bool connected_ = false;
  std::string in_;
};

// A plain connection, for the monitor and for peers that never speak TLS.
class PlainClient {
 public:
  explicit PlainClient(std::uint16_t port);
  ~PlainClient();
  PlainClient(const PlainClient&) = delete;
  PlainClient& operator=(const PlainClient&) = delete;
  bool send(std::string_view bytes);
  std::string receive_all();  // until the server closes
  bool stirs_within(int limit_ms);

 private:
  int socket_ = -1;
};

std::string post(std::string_view path, std::string_view body, std::string_view key = {},
                 std::string_view more_headers = {});
std::string get(std::string_view path);

}  // namespace sigillo::api::test
