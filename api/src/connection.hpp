// Connection: one channel's TLS connection, from handshake to farewell, as one coroutine on one strand. It
// reads a request whole, asks admission, waits for the service, writes the answer in one write, and only then
// reads on: so pipelined requests are answered in order and a connection has one request in flight. Every
// buffer that held a request or an answer is wiped before the next one. Thread rule: its strand; the
// handshake runs on the handshake threads, while the strand waits for it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "admission.hpp"
#include "core.hpp"

namespace sigillo::api {

class Connection {
 public:
  Connection(Core& core, TlsContext tls, boost::asio::ip::tcp::socket socket, Place place);
  ~Connection();

  boost::asio::awaitable<void> run();

 private:
  struct Outcome {
    appliance::Rendered answer;
    const Route* route = nullptr;
    bool close = false;
    std::string headers = {};  // further header lines
    AnswerBudget::Share share = {};
  };

  boost::asio::awaitable<bool> hear();  // the first record, which is a hello
  boost::asio::awaitable<bool> handshake();
  boost::asio::awaitable<void> shake_hands(boost::system::error_code& result);
  boost::asio::awaitable<bool> exchange();  // one request and its answer; false: no further one
  boost::asio::awaitable<bool> fill();      // some more bytes, false at the end
  boost::asio::awaitable<std::size_t>
  read_header_block();  // its size; 0: the end, or a header over the limit
  boost::asio::awaitable<bool> read_body(std::size_t head_size, const RequestHead& head);
  boost::asio::awaitable<bool> drop_body(std::size_t head_size, const RequestHead& head);
  boost::asio::awaitable<void> decide(const RequestHead& head, std::string_view body, Outcome& out);
  boost::asio::awaitable<void> call_service(appliance::Call& call);     // moved from
  boost::asio::awaitable<bool> write(Outcome& outcome, bool body_too);  // its body is gone then
  boost::asio::awaitable<void> farewell();

  appliance::ChannelPtr channel() const;
  void answer(Outcome& out, const Problem& problem) const;
  void answer(Outcome& out, appliance::Outage outage) const;
  void forget(std::size_t bytes);  // wipes what was read, keeps what is pipelined behind it

  Core& core_;
  TlsContext tls_;
  boost::asio::ssl::stream<boost::asio::ip::tcp::socket> stream_;
  Watch watch_;  // after the stream: leaves the registry before the descriptor is closed
  std::optional<PeerIdentity> peer_;
  std::vector<char> in_;
  std::size_t in_size_ = 0;
  std::size_t taken_ = 0;  // of in_: the request that is being answered
  bool unread_ = false;    // a body was left on the wire
  std::string out_;
  std::string request_id_;
  std::optional<appliance::Reply> reply_;
};

}  // namespace sigillo::api
