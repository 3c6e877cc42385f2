#include "handshake_threads.hpp"

#include <boost/asio/post.hpp>

#include <base/thread_name.hpp>

#include "registry.hpp"

namespace sigillo::api {

HandshakeThreads::HandshakeThreads() {
  for (auto& thread : threads_) thread = std::thread([this] { serve(); });
}

void HandshakeThreads::serve() {
  base::name_thread("handshake");
  while (io_.run_one() != 0) moved_ms_ = steady_ms();
}

bool HandshakeThreads::move(base::Duration patience) {
  if (!asked_.exchange(true)) {
    moved_ms_ = steady_ms();
    boost::asio::post(io_, [this] { asked_ = false; });
  }
  return steady_ms() - moved_ms_ <= patience.ms;
}

void HandshakeThreads::stop() {
  io_.stop();
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace sigillo::api
