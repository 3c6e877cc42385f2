#include "checkpoint_push.hpp"

#include <algorithm>

#include <base/log.hpp>

namespace sigillo::api {
namespace {

constexpr base::Duration kRetryFirst = base::seconds(1);
constexpr base::Duration kRetryMax = base::minutes(5);

// What the signature is over: the same head signed twice is no news.
std::string_view body_of(std::string_view note) {
  return note.substr(0, note.find("\n\n"));
}

}  // namespace

CheckpointPush::CheckpointPush(std::unique_ptr<HttpsPost> post, appliance::Service& service, Metrics& metrics,
                               base::Duration interval)
    : post_(std::move(post)), service_(service), metrics_(metrics), interval_(interval), thread_([this] {
        loop();
      }) {}

CheckpointPush::~CheckpointPush() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  post_->cancel();
  wake_.notify_all();
  thread_.join();
}

void CheckpointPush::loop() {
  base::Duration retry = kRetryFirst;
  base::Duration pause = kRetryFirst;
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, std::chrono::milliseconds(pause.ms), [this] { return stopping_; })) {
    lock.unlock();
    const bool done = push();
    lock.lock();
    pause = done ? interval_ : retry;
    retry = done ? kRetryFirst : base::Duration{std::min(retry.ms * 2, kRetryMax.ms)};
  }
}

bool CheckpointPush::push() {
  const auto note = base::sync_wait(service_.checkpoint());
  if (!note) return true;  // sealed, or the HSM is away: said elsewhere, and asked again at the next time
  const std::string body(body_of(*note));
  if (body == last_) return true;
  const auto sent = post_->send(*note);
  metrics_.checkpoint_pushed(static_cast<bool>(sent));
  if (sent) {
    last_ = body;
    if (failing_) base::log::info("checkpoint-pushed-again");
  } else if (!failing_) {
    base::log::warn("checkpoint-not-pushed",
                    {{"detail", sent.error().detail()}, {"raw", sent.error().raw()}});
  }
  failing_ = !sent;
  return static_cast<bool>(sent);
}

}  // namespace sigillo::api
