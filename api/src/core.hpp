// Core: what every connection of a server shares. Owned by Server; connections keep a reference, and are gone
// before it. Thread rule: each member by its own rule; `tls` under its lock.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include <boost/asio/io_context.hpp>

#include <api/server.hpp>

#include "answer_budget.hpp"
#include "door_log.hpp"
#include "handshake_threads.hpp"
#include "metrics.hpp"
#include "quota.hpp"
#include "registry.hpp"
#include "tls.hpp"

namespace sigillo::api {

// Calls given to the service and not answered yet: a server is not destroyed while one could still come back.
class InFlight {
 public:
  void begin() {
    const std::lock_guard lock(mutex_);
    ++count_;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    if (--count_ == 0) none_.notify_all();
  }
  void wait_none() {
    std::unique_lock lock(mutex_);
    none_.wait(lock, [&] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  std::size_t count_ = 0;
};

struct Core {
  Core(ServerOptions given, appliance::Service& to_call, const base::Clock& of)
      : options(std::move(given)),
        service(to_call),
        clock(of),
        quotas(options.quotas),
        answers(options.limits.answer_bytes_per_channel, options.limits.answer_bytes) {}

  ServerOptions options;
  appliance::Service& service;
  const base::Clock& clock;
  QuotaTable quotas;
  AnswerBudget answers;
  Metrics metrics;
  DoorLog door_log;
  Registry channels;  // connections of the HTTPS listener
  Registry monitors;
  std::atomic<std::uint32_t> strangers = 0;  // who are not authenticated yet
  InFlight in_flight;
  HandshakeThreads handshake_threads;

  TlsContext tls() const {
    const std::lock_guard lock(tls_mutex);
    return tls_context;
  }
  mutable std::mutex tls_mutex;
  TlsContext tls_context;

  // Ready as the appliance says, and not on the way out.
  appliance::Readiness readiness() const {
    auto out = service.readiness();
    if (channels.draining()) {
      out.ready = false;
      out.reasons.emplace_back("stopping");
    }
    return out;
  }
};

}  // namespace sigillo::api
