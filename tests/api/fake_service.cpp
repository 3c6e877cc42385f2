#include "fake_service.hpp"

namespace sigillo::api::test {

appliance::Verified verified() {
  return {.credential_id = "c-1",
          .state = appliance::State::active,
          .level = appliance::Level::ordinary,
          .presented = appliance::Presented::definitive,
          .scopes = {appliance::Scope::portal_explore},
          .next_activate = false,
          .expires_at = {0},
          .receipt = {}};
}

FakeService::FakeService()
    : script([](const appliance::Call&) { return appliance::Answer(verified()); }),
      worker_([this] { work(); }) {}

FakeService::~FakeService() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    held_ = false;
  }
  changed_.notify_all();
  worker_.join();
}

void FakeService::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return (!held_ && !queue_.empty()) || (ending_ && queue_.empty()); });
    if (queue_.empty()) return;
    const auto resume = queue_.front();
    queue_.pop_front();
    lock.unlock();
    resume(0);
    lock.lock();
  }
}

base::Task<appliance::Reply> FakeService::execute(appliance::Call call) {
  auto begin = [this](base::Resume<int> resume) {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(resume);
      ++calls;
    }
    changed_.notify_all();
  };
  co_await base::suspend<int>(begin);
  if (std::holds_alternative<appliance::RefusedAtDoor>(call.request))
    co_return call.render(appliance::DoorRefusal{});
  const auto said = script(call);
  if (const auto* const outage = std::get_if<appliance::Outage>(&said)) co_return *outage;
  co_return call.render(std::get<appliance::Answer>(said));
}

appliance::ChannelPtr FakeService::channel(appliance::Role role, const std::string& name,
                                           const base::Digest& certificate_key) const {
  const std::lock_guard lock(mutex_);
  const auto found = channels_.find({role, name});
  return found != channels_.end() && found->second->certificate_key == certificate_key ? found->second
                                                                                       : nullptr;
}

appliance::Readiness FakeService::readiness() const {
  const std::lock_guard lock(mutex_);
  return readiness_;
}

void FakeService::enrol(appliance::Role role, const std::string& name, const base::Digest& key,
                        appliance::ChannelStatus status) {
  appliance::Channel made;
  made.role = role;
  made.name = name;
  made.status = status;
  made.certificate_key = key;
  const std::lock_guard lock(mutex_);
  channels_[{role, name}] = std::make_shared<const appliance::Channel>(std::move(made));
}

void FakeService::be(appliance::Readiness readiness) {
  const std::lock_guard lock(mutex_);
  readiness_ = std::move(readiness);
}

void FakeService::hold() {
  const std::lock_guard lock(mutex_);
  held_ = true;
}

void FakeService::release() {
  const std::lock_guard lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

void FakeService::wait_for_calls(std::size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return calls.load() >= count; });
}

}  // namespace sigillo::api::test
