#include "load_run.hpp"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <deque>
#include <optional>

namespace sigillo::bench {
namespace {

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}
double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

class Generator {
 public:
  Generator(const Peer& peer, Protocol& protocol, const Plan& plan)
      : peer_(peer), protocol_(protocol), plan_(plan), context_(peer), slots_(plan.connections) {}

  Outcome run() {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) give_up("opening an epoll");
    ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);  // an open loop sleeps for microseconds
    if (!plan_.reconnects) connect_all();
    const auto begun = now_ns();
    measured_from_ = begun + static_cast<std::int64_t>(plan_.warm_up_s * 1e9);
    end_ = measured_from_ + static_cast<std::int64_t>(plan_.seconds * 1e9);
    due_ = begun;
    for (auto& slot : slots_) ready(slot, begun);
    while (now_ < end_ && (busy_ > 0 || !out_.exhausted)) turn();
    out_.seconds = static_cast<double>(std::min(now_, end_) - measured_from_) / 1e9;
    out_.cpu_s = cpu_seconds() - cpu_before_.value_or(0);
    out_.asked = next_;
    ::close(epoll_);
    return std::move(out_);
  }

 private:
  struct Slot {
    std::unique_ptr<Link> link;
    std::string received;
    std::int64_t began = 0;  // when its request did, or should have
    bool shaking = false;
  };

  void watch(Slot& slot, std::uint32_t events, int operation) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &slot;
    if (::epoll_ctl(epoll_, operation, slot.link->descriptor(), &event) != 0)
      give_up("watching a connection");
  }
  void open(Slot& slot) {
    slot.link = std::make_unique<Link>(context_, peer_);
    slot.received.clear();
    slot.shaking = true;
    watch(slot, EPOLLIN | EPOLLOUT | EPOLLET, EPOLL_CTL_ADD);
  }
  void connect_all() {
    // Not all at once: a server may bound the handshakes in flight, and a backlog is bounded too.
    constexpr std::size_t kAtOnce = 32;
    for (std::size_t from = 0; from < slots_.size(); from += kAtOnce) {
      const auto to = std::min(slots_.size(), from + kAtOnce);
      for (auto i = from; i < to; ++i) open(slots_[i]);
      std::size_t open_now = from;
      while (open_now < to) {
        std::array<epoll_event, 64> events;
        const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 10'000);
        if (count <= 0) give_up("waiting for a handshake");
        for (int i = 0; i < count; ++i) {
          auto& slot = *static_cast<Slot*>(events[static_cast<std::size_t>(i)].data.ptr);
          if (slot.shaking && shake(slot)) ++open_now;
        }
      }
    }
  }
  bool shake(Slot& slot) {
    switch (slot.link->handshake()) {
      case Link::State::connecting:
        return false;
      case Link::State::failed:
        give_up("shaking hands");
      case Link::State::open:
        slot.shaking = false;
        watch(slot, EPOLLIN, EPOLL_CTL_MOD);
        return true;
    }
    return false;
  }

  // The slot has nothing to do: it asks at once, or waits for its time.
  void ready(Slot& slot, std::int64_t now) {
    if (plan_.rate > 0) return idle_.push_back(&slot);
    begin(slot, now);
  }
  void begin(Slot& slot, std::int64_t since) {
    slot.began = since;
    ++busy_;
    if (plan_.reconnects) return open(slot);
    ask(slot);
  }
  void ask(Slot& slot) {
    const auto request = protocol_.request(next_);
    if (request.empty()) {
      out_.exhausted = true;
      --busy_;
      return;
    }
    ++next_;
    if (!slot.link->send(request)) give_up("sending a request");
  }

  void turn() {
    auto wait = end_ - now_ns();
    if (plan_.rate > 0 && !idle_.empty()) wait = std::min(wait, start_due());
    const timespec limit{std::max<std::int64_t>(wait, 0) / 1'000'000'000,
                         std::max<std::int64_t>(wait, 0) % 1'000'000'000};
    std::array<epoll_event, 256> events;
    const int count = ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &limit, nullptr);
    now_ = now_ns();
    if (!cpu_before_ && now_ >= measured_from_) cpu_before_ = cpu_seconds();
    for (int i = 0; i < count; ++i) serve(*static_cast<Slot*>(events[static_cast<std::size_t>(i)].data.ptr));
  }
  // Begins what is due, and says how long nothing will be.
  std::int64_t start_due() {
    const auto period = 1e9 / plan_.rate;
    auto now = now_ns();
    while (due_ <= now && !idle_.empty()) {
      auto* const slot = idle_.front();
      idle_.pop_front();
      begin(*slot, due_);
      ++started_;
      due_ = measured_from_ - static_cast<std::int64_t>(plan_.warm_up_s * 1e9) +
             static_cast<std::int64_t>(period * static_cast<double>(started_));
      now = now_ns();
    }
    return idle_.empty() ? end_ - now : due_ - now;
  }

  void serve(Slot& slot) {
    if (slot.shaking) {
      if (shake(slot)) ask(slot);
      return;
    }
    if (!slot.link->receive(slot.received)) give_up("reading an answer (the connection was closed)");
    bool expected = false;
    const auto size = protocol_.answer(slot.received, expected);
    if (size == 0) return;
    const auto now = now_ns();
    if (!expected) {
      if (out_.unexpected++ == 0) out_.sample = slot.received.substr(0, size);
    }
    if (now >= measured_from_ && now < end_) {
      ++out_.answered;
      out_.latency.record(static_cast<std::uint64_t>(now - slot.began));
    }
    slot.received.erase(0, size);
    --busy_;
    if (plan_.reconnects) slot.link.reset();
    if (now < end_ && !out_.exhausted) ready(slot, now);
  }

  const Peer& peer_;
  Protocol& protocol_;
  const Plan plan_;
  ClientContext context_;
  std::vector<Slot> slots_;
  std::deque<Slot*> idle_;
  int epoll_ = -1;
  std::size_t busy_ = 0;
  std::uint64_t next_ = 0, started_ = 0;
  std::int64_t measured_from_ = 0, end_ = 0, due_ = 0, now_ = 0;
  std::optional<double> cpu_before_;
  Outcome out_;
};

}  // namespace

Outcome run(const Peer& peer, Protocol& protocol, const Plan& plan) {
  return Generator(peer, protocol, plan).run();
}

}  // namespace sigillo::bench
