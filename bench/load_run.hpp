// The run of a load: a number of connections, closed loop (each asks again as soon as it is answered) or open
// loop (requests begin at a fixed rate, and each one's latency counts from the moment when it should have
// begun, so that a stall is not measured once but by everybody it kept waiting). Thread rule: one
// thread, one epoll.
#pragma once

#include "histogram.hpp"
#include "load_protocol.hpp"
#include "load_tls.hpp"

namespace sigillo::bench {

struct Plan {
  std::size_t connections = 1;
  double warm_up_s = 1;
  double seconds = 5;
  double rate = 0;          // requests a second; 0: closed loop
  bool reconnects = false;  // a new connection for every request
};

struct Outcome {
  double seconds = 0;       // that were measured
  std::uint64_t asked = 0;  // of all, warm-up included: where the next walk begins
  std::uint64_t answered = 0;
  std::uint64_t unexpected = 0;  // warm-up included
  std::string sample;            // the first unexpected answer
  bool exhausted = false;        // nobody was left to ask for
  Histogram latency;
  double cpu_s = 0;  // the generator's own, while it measured
};

Outcome run(const Peer& peer, Protocol& protocol, const Plan& plan);

}  // namespace sigillo::bench
