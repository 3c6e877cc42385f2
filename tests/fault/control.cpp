#include "control.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "strike.hpp"

namespace sigillo::fault {

Control::Control(std::string path) : path_(std::move(path)) {
  const int file = ::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0 || ::ftruncate(file, sizeof(Block)) != 0) std::abort();
  void* const at = ::mmap(nullptr, sizeof(Block), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (at == MAP_FAILED) std::abort();
  block_ = static_cast<Block*>(at);
  block_->magic = kMagic;
}

Control::~Control() {
  clear();
  ::munmap(block_, sizeof(Block));
}

Rule& Control::arm(std::string_view point, Action action, std::uint64_t code, std::uint64_t at,
                   std::uint64_t times) {
  for (Rule& rule : block_->rules) {
    const bool spent = rule.times != 0 && rule.struck >= rule.times;
    if (rule.action != Action::none && !spent) continue;
    rule.action = Action::none;
    std::memset(rule.point, 0, sizeof rule.point);
    point.copy(rule.point, sizeof rule.point - 1);
    rule.at = at;
    rule.times = times;
    rule.code = code;
    rule.seen = 0;
    rule.struck = 0;
    rule.action = action;
    return rule;
  }
  std::abort();  // more rules than a test can be read with
}

void Control::clear() {
  for (Rule& rule : block_->rules) rule.action = Action::none;
  block_->outage = Outage::none;
  block_->token_flags = 0;
  block_->sessions_max = 0;
  block_->latency_us = 0;
  block_->parallel = 0;
  block_->clock_offset_ms = 0;
}

void Control::begin_outage(Outage outage) {
  kill_sessions();  // a device that was away has forgotten them
  block_->outage = outage;
}

void Control::kill_sessions() {
  ++block_->sessions_epoch;
}

std::uint64_t Control::calls(std::string_view point) const {
  for (const Point& known : block_->points) {
    if (known.name == point) return known.calls;
  }
  return 0;
}

void Control::await_calls(std::string_view point, std::uint64_t count) const {
  while (calls(point) < count) pause_us(100);
}

void Control::await_hanging(std::uint64_t count) const {
  while (block_->hanging < count) pause_us(100);
}

}  // namespace sigillo::fault
