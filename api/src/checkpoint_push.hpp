// CheckpointPush: gives the ledger's signed checkpoints to an address off this host, where nobody who has the
// host can take them back. A failure is a metric, a line in the log and another try, later and later; it
// holds up no answer and says nothing about readiness. Thread rule: a thread of its own; stops in its
// destructor.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include <appliance/service.hpp>

#include "https_post.hpp"
#include "metrics.hpp"

namespace sigillo::api {

class CheckpointPush {
 public:
  CheckpointPush(std::unique_ptr<HttpsPost> post, appliance::Service& service, Metrics& metrics,
                 base::Duration interval);
  ~CheckpointPush();

 private:
  void loop();
  bool push();  // false: to be tried again soon

  const std::unique_ptr<HttpsPost> post_;
  appliance::Service& service_;
  Metrics& metrics_;
  const base::Duration interval_;
  std::string last_;  // what the other side has
  bool failing_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sigillo::api
