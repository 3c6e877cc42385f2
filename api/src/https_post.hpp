// HttpsPost: one POST to one https address, for what the appliance publishes. TLS 1.2 at least, the server's
// certificate under the given CA (or the system's) and for the address' own name; the answer's status is all
// that is read of it. Every call ends within its deadline, whatever the other side does; but a name server
// that does not answer is waited for as long as the system's resolver says, which nothing interrupts. Thread
// rule: send() on one thread; cancel() from any. Never: sends a secret, follows a redirect, uses a proxy of
// the environment.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>

#include <base/clock.hpp>
#include <base/result.hpp>

namespace sigillo::api {

enum class PostErrc : std::uint16_t {
  address = 571,  // not an https address
  ca = 572,       // the CA's file cannot be used; raw is OpenSSL's error
  network = 573,  // no connection, no TLS, no answer in time, or not the server it should be
  refused = 574,  // an answer that is not 2xx; raw is its status
};

struct PostTarget {
  std::string host, port, path;
};
std::optional<PostTarget> parse_https(std::string_view url);

class HttpsPost {
 public:
  // `ca`: a PEM file; empty: the system's.
  static base::Result<std::unique_ptr<HttpsPost>> create(std::string_view url, const std::string& ca,
                                                         base::Duration deadline = base::seconds(10));

  base::Result<void> send(const std::string& text);
  void cancel();  // the call that is under way ends now (but for the resolver), and every later one at once

 private:
  HttpsPost(PostTarget target, base::Duration deadline);
  PostTarget target_;
  base::Duration deadline_;
  boost::asio::ssl::context tls_{boost::asio::ssl::context::tls_client};
  std::mutex mutex_;
  boost::asio::io_context* running_ = nullptr;
  bool cancelled_ = false;
};

}  // namespace sigillo::api
