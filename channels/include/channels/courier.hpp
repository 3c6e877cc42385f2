// Courier: the loop of a courier's side of delivery: lease, open, hand to the sink, acknowledge. What the
// sink took is reported delivered; what cannot be opened is reported failed; what the sink could not take is
// not reported at all, and its lease comes back. A crash between sink and acknowledgement delivers twice,
// under one delivery_id. Owner: main. Thread rule: one thread. Never: keeps a message after the sink has it;
// gives up because the appliance is away.
#pragma once

#include <vector>

#include <base/clock.hpp>
#include <base/jwe.hpp>
#include <channels/client.hpp>
#include <channels/sink.hpp>
#include <channels/stop.hpp>

namespace sigillo::channels {

enum class Mode : std::uint8_t {
  forever,  // until told to end; failures are waited out
  drain,    // until nothing is left to lease
  once      // one lease
};

struct CourierOptions {
  Mode mode = Mode::forever;
  base::Duration poll = base::seconds(5);  // between leases that had nothing
  base::Duration backoff_max =
      base::minutes(1);     // after failures: 1 s doubling to this, or Retry-After where longer
  unsigned lease_max = 20;  // of 1..100; a small lease loses little in a crash
};

class Courier {
 public:
  // At least one key; the client, the sink and the stop outlive it.
  Courier(Client& client, Sink& sink, Stop& stop, std::vector<base::EcPrivateKey> keys,
          CourierOptions options);
  // Success: told to end, or done. Errors (not in Mode::forever): those of Client and Sink.
  base::Result<void> run();

 private:
  base::Result<std::size_t> round();  // messages leased
  base::Result<void> deliver(const Lease& lease);
  base::Result<void> settle();
  base::Duration pause_after(const base::Error& error);

  Client& client_;
  Sink& sink_;
  Stop& stop_;
  std::vector<base::EcPrivateKey> keys_;
  CourierOptions options_;
  std::vector<Ack> unsettled_;  // taken or failed, and not yet acknowledged
  unsigned failures_ = 0;       // in a row
};

}  // namespace sigillo::channels
