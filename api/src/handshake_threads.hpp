// HandshakeThreads: where the steps of TLS handshakes run, for one of them signs with the HSM's key, which
// blocks: no I/O thread waits for it. Two suffice for the rate that a token signs at; a token that is slow
// holds up handshakes only. They count what they come back from, so that a call which never returns is told
// from a slow one: of a queue behind a slow token something is done all the time. Thread rule: any thread,
// but move() and stop() on one.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <base/clock.hpp>

namespace sigillo::api {

class HandshakeThreads {
 public:
  HandshakeThreads();
  ~HandshakeThreads() { stop(); }

  auto get_executor() { return io_.get_executor(); }
  // Whether one of them came back from something within this time, or has nothing to do. Asked now and then:
  // it counts from the last time that it was.
  bool move(base::Duration patience);
  // What waits is not done any more; who is in a call is waited for.
  void stop();

 private:
  void serve();

  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::atomic<std::int64_t> moved_ms_ = 0;
  std::atomic<bool> asked_ = false;  // and what was asked waits behind the others, or is hung
  std::array<std::thread, 2> threads_;
};

}  // namespace sigillo::api
