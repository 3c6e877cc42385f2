// Engine: the Service. It takes a Call through its Idempotency-Key to its operation, knows what is in flight,
// and waits for all of it before it goes. Thread rule: as Service; it is destroyed before the store and the
// dispatcher.
#pragma once

#include <condition_variable>
#include <functional>

#include "context.hpp"
#include "idempotency.hpp"

namespace sigillo::appliance {

class Engine final : public Service {
 public:
  explicit Engine(Context context);
  ~Engine() override;  // waits for what is in flight

  base::Task<Reply> execute(Call call) override;
  ChannelPtr channel(Role role, const std::string& name, const base::Digest& certificate_key) const override;
  Readiness readiness() const override;
  std::vector<Reading> readings() const override;
  base::Task<std::optional<std::string>> checkpoint() override;

  const Context& context() const { return context_; }
  idempotency::InFlight& keys_in_flight() { return keys_in_flight_; }
  // The anchor found another copy: nothing more is answered.
  void set_fenced() { fenced_ = true; }
  // The store's file system has no room: the next who asks would find it out.
  void set_disk_full(bool full) { disk_full_ = full; }
  // Until nothing is in flight, work that no answer waits for included.
  void await_idle();

 private:
  void background(base::Task<bool> task);
  void leave();
  class Presence;

  Context context_;
  idempotency::InFlight keys_in_flight_;
  std::atomic<bool> fenced_ = false;
  std::atomic<bool> disk_full_ = false;
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::size_t in_flight_ = 0;
};

}  // namespace sigillo::appliance
