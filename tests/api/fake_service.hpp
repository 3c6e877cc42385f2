// A scripted Service: answers what the test says, on a thread of its own (as the appliance does), and can be
// held so that a test decides when an answer leaves. Channels are enrolled and their status changed as an
// officer would.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include <appliance/service.hpp>

namespace sigillo::api::test {

class FakeService final : public appliance::Service {
 public:
  FakeService();
  ~FakeService() override;

  base::Task<appliance::Reply> execute(appliance::Call call) override;
  appliance::ChannelPtr channel(appliance::Role role, const std::string& name,
                                const base::Digest& certificate_key) const override;
  appliance::Readiness readiness() const override;
  std::vector<appliance::Reading> readings() const override { return figures; }

  void enrol(appliance::Role role, const std::string& name, const base::Digest& key,
             appliance::ChannelStatus status = appliance::ChannelStatus::active);
  void be(appliance::Readiness readiness);
  void hold();
  void release();
  void wait_for_calls(std::size_t count);  // begun, since the start

  // Either an answer, rendered by the call's own render, or an outage. Default: a verified PIN.
  using Script = std::function<std::variant<appliance::Answer, appliance::Outage>(const appliance::Call&)>;
  Script script;
  std::atomic<std::size_t> calls = 0;
  std::vector<appliance::Reading> figures;  // set before it is scraped

 private:
  void work();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::pair<appliance::Role, std::string>, appliance::ChannelPtr> channels_;
  appliance::Readiness readiness_{.ready = true, .reasons = {}};
  std::deque<base::Resume<int>> queue_;
  bool held_ = false, ending_ = false;
  std::thread worker_;
};

appliance::Verified verified();

}  // namespace sigillo::api::test
