#include "registry.hpp"

#include <sys/socket.h>

namespace sigillo::api {

std::int64_t steady_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

Watch::Watch(Registry& registry, int descriptor, std::optional<Place> place)
    : registry_(registry),
      descriptor_(descriptor),
      deadline_ms_(steady_ms() + 1000),
      place_(std::move(place)) {
  const std::lock_guard lock(registry_.mutex_);
  registry_.watches_.insert(this);
  arrival_ = ++registry_.arrivals_;
  if (place_) registry_.silent_.emplace(arrival_, this);
}

Watch::~Watch() {
  const std::lock_guard lock(registry_.mutex_);
  registry_.watches_.erase(this);
  registry_.silent_.erase(arrival_);
  if (certificate_key_) {
    const auto count = registry_.by_certificate_.find(*certificate_key_);
    if (--count->second == 0) registry_.by_certificate_.erase(count);
  }
  registry_.changed_.notify_all();
}

void Watch::heard() {
  const std::lock_guard lock(registry_.mutex_);
  registry_.silent_.erase(arrival_);
}

void Watch::leave_place() {
  const std::lock_guard lock(registry_.mutex_);
  registry_.silent_.erase(arrival_);
  place_.reset();
}

bool Watch::rest(base::Duration limit) {
  phase(limit);
  // Stored before the flag is read, and drain() sets the flag before it looks at who rests: one of the two
  // sees the other.
  resting_.store(true);
  return !registry_.draining_.load();
}

bool Watch::belongs_to(const base::Digest& certificate_key, std::uint32_t per_certificate_max) {
  const std::lock_guard lock(registry_.mutex_);
  auto& count = registry_.by_certificate_[certificate_key];
  if (count >= per_certificate_max) return false;
  ++count;
  certificate_key_ = certificate_key;
  return true;
}

void Registry::sweep(std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  for (const Watch* const watch : watches_) {
    if (watch->deadline_ms_.load() <= now_ms) ::shutdown(watch->descriptor_, SHUT_RDWR);
  }
}

bool Registry::displace_one() {
  const std::lock_guard lock(mutex_);
  if (silent_.empty()) return false;
  Watch* const first = silent_.begin()->second;
  silent_.erase(silent_.begin());
  first->place_.reset();
  ::shutdown(first->descriptor_, SHUT_RDWR);
  return true;
}

void Registry::end_resting() {
  const std::lock_guard lock(mutex_);
  for (const Watch* const watch : watches_) {
    // Reading only: a request that is in the kernel's buffer already is still read, and answered.
    if (watch->resting_.load()) ::shutdown(watch->descriptor_, SHUT_RD);
  }
}

void Registry::drain() {
  draining_.store(true);
  end_resting();
}

void Registry::cut_all() {
  const std::lock_guard lock(mutex_);
  for (const Watch* const watch : watches_) ::shutdown(watch->descriptor_, SHUT_RDWR);
}

bool Registry::wait_empty(base::Duration limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::milliseconds(limit.ms), [&] { return watches_.empty(); });
}

std::size_t Registry::size() const {
  const std::lock_guard lock(mutex_);
  return watches_.size();
}

}  // namespace sigillo::api
