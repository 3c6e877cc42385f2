#include "strike.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace sigillo::fault {
namespace {

// By raw system calls: this runs inside the libraries that stand in for open() and its kin.
Block* map_block() {
  static Block unused{};
  const char* const path = ::getenv(kControlVariable);
  if (path == nullptr || *path == 0) return &unused;
  const auto file = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC));
  if (file < 0) std::abort();  // a test that says it controls, and does not
  void* const at = ::mmap(nullptr, sizeof(Block), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::syscall(SYS_close, file);
  if (at == MAP_FAILED || static_cast<Block*>(at)->magic != kMagic) std::abort();
  return static_cast<Block*>(at);
}

// Two libraries of one process, and the process that comes after a kill, share the rows by name.
std::atomic<std::uint64_t>* register_point(const char* name) {
  Block& all = block();
  std::uint64_t free = 0;
  while (!all.points_lock.compare_exchange_weak(free, 1)) free = 0;
  const std::uint64_t used = all.points_used;
  std::uint64_t i = 0;
  while (i < used && std::strcmp(all.points[i].name, name) != 0) ++i;
  if (i == used) {
    if (used == kPoints) std::abort();
    std::strncpy(all.points[i].name, name, sizeof all.points[i].name - 1);
    all.points_used = used + 1;
  }
  all.points_lock = 0;
  return &all.points[i].calls;
}

}  // namespace

Block& block() {
  static Block* const mapped = map_block();
  return *mapped;
}

CallPoint::CallPoint(const char* name, bool framing)
    : name_(name), framing_(framing), calls_(register_point(name)) {}

bool CallPoint::matches(const Rule& rule) const {
  const std::size_t size = std::strlen(rule.point);
  if (size == 0) return true;
  const char last = rule.point[size - 1];
  const bool beginning = last == '_' || last == '.';
  if (beginning) return !framing_ && std::strncmp(name_, rule.point, size) == 0;
  return std::strcmp(name_, rule.point) == 0;
}

CallPoint::Verdict CallPoint::strike() const {
  calls_->fetch_add(1);
  Block& all = block();
  Verdict verdict;
  for (Rule& rule : all.rules) {
    const Action action = rule.action;
    if (action == Action::none || !matches(rule)) continue;
    const std::uint64_t n = rule.seen.fetch_add(1) + 1;
    if (n < rule.at || (rule.times != 0 && n >= rule.at + rule.times)) continue;
    if (verdict.action != Action::none) continue;  // the first that strikes decides; the others count on
    ++rule.struck;
    if (action == Action::kill) die();
    if (action == Action::hang) {
      ++all.hanging;
      while (rule.action == Action::hang) pause_us(200);
      --all.hanging;
      continue;
    }
    verdict = {action == Action::fail_until_init ? Action::fail : action, rule.code};
  }
  return verdict;
}

void die() {
  ::kill(::getpid(), SIGKILL);
  __builtin_trap();  // where a filter of system calls does not let it
}

void wait_until(std::chrono::steady_clock::time_point when) {
  // A thread sleeps up to 50 us longer than it asks unless it says that it means it: a twentieth of 1 ms.
  thread_local const bool exact = ::prctl(PR_SET_TIMERSLACK, 1UL) == 0;
  static_cast<void>(exact);
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(when.time_since_epoch()).count();
  const timespec moment{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
  ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, nullptr);
}

void pause_us(std::uint64_t us) {
  wait_until(std::chrono::steady_clock::now() + std::chrono::microseconds(us));
}

}  // namespace sigillo::fault
