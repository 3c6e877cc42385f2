#include <hsm/dispatcher.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include <base/thread_name.hpp>

namespace sigillo::hsm {
namespace {

using std::chrono::steady_clock;

enum class JobState : std::uint8_t { pending, done, expired };

// One awaited call. Worker and deadline thread race for it; who moves `state` away from pending resumes the
// coroutine.
class Job {
 public:
  explicit Job(steady_clock::time_point deadline) : deadline_(deadline) {}
  virtual ~Job() = default;
  virtual void run() = 0;        // on a worker
  virtual void give_late() = 0;  // on the deadline thread, once it has claimed the job
  bool pending() const { return state_ == JobState::pending; }
  bool expired() const { return state_ == JobState::expired; }
  steady_clock::time_point deadline() const { return deadline_; }
  // Of the dispatcher, under its lock: whether a worker has begun it, and has not come back in time.
  bool started = false;
  bool stuck = false;
  bool claim(JobState to) {
    JobState expected = JobState::pending;
    return state_.compare_exchange_strong(expected, to);
  }

 private:
  std::atomic<JobState> state_{JobState::pending};
  const steady_clock::time_point deadline_;
};

template <class T>
void discard(T&) {}  // a Secret wipes itself, a signature is public
void discard(base::Result<base::Digest>& late) {
  if (late) base::wipe(*late);
}

template <class T, class Call>
class CallJob final : public Job {
 public:
  CallJob(steady_clock::time_point deadline, Call call, T when_late, base::Resume<T> resume)
      : Job(deadline), call_(std::move(call)), when_late_(std::move(when_late)), resume_(resume) {}

  void run() override {
    // Before the result is handed over the inputs go: the job itself stays until its deadline's turn.
    T result = std::exchange(call_, std::nullopt).value()();
    if (claim(JobState::done)) {
      resume_(std::move(result));
    } else {
      // What a MAC says after its deadline must not decide: nobody was told that an answer was still
      // possible.
      discard(result);
    }
  }

  void give_late() override { resume_(std::move(when_late_)); }

 private:
  std::optional<Call> call_;
  T when_late_;
  const base::Resume<T> resume_;
};

base::Error late() {
  return {Errc::deadline, "the HSM did not answer in time"};
}

}  // namespace

class Dispatcher::Impl {
 public:
  Impl(Token& token, DispatcherOptions options) : token_(token), options_(options) {
    workers_left_ = std::max<std::size_t>(options.workers, 1);
    for (std::size_t i = 0; i < workers_left_; ++i) threads_.emplace_back([this] { work(); });
    deadlines_ = std::thread([this] { watch_deadlines(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    queued_.notify_all();
    for (auto& thread : threads_) thread.join();
    {
      const std::lock_guard lock(mutex_);
      finished_ = true;
    }
    finish_.notify_all();
    deadlines_.join();
  }

  // Queues a call of the token, counted and judged; `call` gives a Result.
  template <class T, class Call>
  void submit(std::size_t function, Call call, base::Resume<base::Result<T>> resume) {
    auto judged = [this, function, call = std::move(call)]() mutable {
      calls_.fetch_add(1, std::memory_order_relaxed);
      const auto begun = steady_clock::now();
      auto result = call(token_);
      times_[function].observe(steady_clock::now() - begun);
      judge(result ? nullptr : &result.error());
      return result;
    };
    enqueue<base::Result<T>>(std::move(judged), late(), resume, options_.queue_max,
                             base::Error(Errc::unavailable, "the HSM's queue is full"));
  }

  void submit_hop(base::Resume<bool> resume) {
    // Not bounded: whoever hops was admitted before, and has a charge in the ledger to settle. With every
    // worker lost in the module, the deadline thread, which never enters it, stands in.
    {
      const std::lock_guard lock(mutex_);
      if (all_stuck()) {
        const auto job = [] { return true; };
        errands_.push_back(std::make_shared<CallJob<bool, decltype(job)>>(steady_clock::time_point::max(),
                                                                          job, false, resume));
        finish_.notify_one();
        return;
      }
    }
    enqueue<bool>([] { return true; }, false, resume, SIZE_MAX, false);
  }

  bool healthy() const {
    if (!healthy_ || token_.state() != TokenState::up) return false;
    const std::lock_guard lock(mutex_);
    return !all_stuck();
  }
  std::uint64_t calls() const { return calls_; }
  Load load() const {
    const std::lock_guard lock(mutex_);
    return {std::max<std::size_t>(options_.workers, 1), stuck_, queue_.size()};
  }
  const std::array<base::Histogram, 3>& times() const { return times_; }

 private:
  // Once the job is queued its coroutine may run, and end, on another thread: nothing of the caller's is
  // touched after.
  template <class T, class Call>
  void enqueue(Call call, T when_late, base::Resume<T> resume, std::size_t queue_max, T when_full) {
    const auto deadline = steady_clock::now() + std::chrono::milliseconds(options_.deadline.ms);
    auto job = std::make_shared<CallJob<T, Call>>(deadline, std::move(call), std::move(when_late), resume);
    {
      const std::lock_guard lock(mutex_);
      // 1. the module hangs in every worker; 2. each new call would wait for its whole deadline, to learn
      // what is known already. So it fails at once, until a worker has come back.
      const bool possible = workers_left_ > 0 && (queue_max == SIZE_MAX || !all_stuck());
      if (queue_.size() < queue_max && possible) {
        while (!waiting_.empty() && !waiting_.front()->pending()) waiting_.pop_front();
        waiting_.push_back(job);
        queue_.push_back(std::move(job));
      }
    }
    if (!job) {
      queued_.notify_one();
      return;
    }
    resume(std::move(when_full));
  }

  void work() {
    base::name_thread("hsm-worker");
    std::unique_lock lock(mutex_);
    for (;;) {
      queued_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) break;
      auto job = std::move(queue_.front());
      queue_.pop_front();
      job->started = true;
      lock.unlock();
      if (job->pending()) job->run();
      if (job->expired()) {  // no other one can have been found stuck
        lock.lock();
        if (job->stuck) --stuck_;
        lock.unlock();
      }
      job.reset();
      lock.lock();
    }
    --workers_left_;
  }

  bool all_stuck() const { return stuck_ >= std::max<std::size_t>(options_.workers, 1); }

  // Under the lock. An expiry in the queue says that there is much to do, one in the module that it is away.
  bool expire(Job& job) {
    if (!job.claim(JobState::expired)) return false;
    if (job.started) {
      job.stuck = true;
      ++stuck_;
      healthy_ = false;
    }
    return true;
  }

  // All deadlines are equally long, so the queue is in their order, and nothing queued while this thread
  // sleeps can expire before it wakes: nobody ever needs to wake it.
  void watch_deadlines() {
    base::name_thread("hsm-deadlines");
    std::unique_lock lock(mutex_);
    while (!finished_) {
      if (!errands_.empty()) {
        auto errand = std::move(errands_.front());
        errands_.pop_front();
        lock.unlock();
        errand->run();
        errand.reset();
        lock.lock();
        continue;
      }
      while (!waiting_.empty() && !waiting_.front()->pending()) waiting_.pop_front();
      const auto now = steady_clock::now();
      if (waiting_.empty() || waiting_.front()->deadline() > now) {
        const auto next = waiting_.empty() ? now + std::chrono::milliseconds(options_.deadline.ms)
                                           : waiting_.front()->deadline();
        finish_.wait_until(lock, next);
        continue;
      }
      const auto job = std::move(waiting_.front());
      waiting_.pop_front();
      const bool expired = expire(*job);
      lock.unlock();
      if (expired) job->give_late();
      lock.lock();
    }
  }

  // A request that is wrong in itself says nothing about the device (no such key, caller's fault).
  void judge(const base::Error* error) {
    if (error == nullptr) {
      healthy_ = true;
      return;
    }
    switch (static_cast<Errc>(error->number())) {
      case Errc::no_such_key:
      case Errc::bad_attributes:
      case Errc::already_exists:
      case Errc::caller_fault:
        return;
      case Errc::unavailable:
      case Errc::deadline:
      case Errc::credential:
      case Errc::module_load:
      case Errc::no_such_token:
      case Errc::self_test:
        healthy_ = false;
    }
  }

  Token& token_;
  const DispatcherOptions options_;
  std::atomic<bool> healthy_{true};
  std::atomic<std::uint64_t> calls_{0};
  std::array<base::Histogram, 3> times_;

  mutable std::mutex mutex_;
  std::condition_variable queued_;
  std::condition_variable finish_;
  std::deque<std::shared_ptr<Job>> queue_;    // for the workers
  std::deque<std::shared_ptr<Job>> waiting_;  // for the deadline thread, by deadline
  std::deque<std::shared_ptr<Job>> errands_;  // hops that no worker is left for
  std::size_t stuck_ = 0;                     // workers whose call has passed its deadline and not returned
  bool stopping_ = false;
  bool finished_ = false;
  std::size_t workers_left_ = 0;
  std::vector<std::thread> threads_;
  std::thread deadlines_;
};

Dispatcher::Dispatcher(Token& token, DispatcherOptions options)
    : impl_(std::make_unique<Impl>(token, options)) {}
Dispatcher::~Dispatcher() = default;

// A coroutine's parameters live in its frame, which goes on while a hung call is still at work: hence the
// moves.
base::Task<base::Result<base::Digest>> Dispatcher::hmac(KeyRef key, base::Secret message) {
  auto begin = [impl = impl_.get(), key, &message](base::Resume<base::Result<base::Digest>> resume) {
    impl->submit<base::Digest>(
        0, [key, owned = std::move(message)](Token& token) { return token.hmac(key, owned.expose()); },
        resume);
  };
  co_return co_await base::suspend<base::Result<base::Digest>>(begin);
}

base::Task<base::Result<base::Bytes>> Dispatcher::sign(KeyRef key, base::Digest digest) {
  auto begin = [impl = impl_.get(), key, digest](base::Resume<base::Result<base::Bytes>> resume) {
    impl->submit<base::Bytes>(
        1, [key, digest](Token& token) { return token.sign(key, digest); }, resume);
  };
  co_return co_await base::suspend<base::Result<base::Bytes>>(begin);
}

base::Task<base::Result<base::Secret>> Dispatcher::random(std::size_t bytes) {
  auto begin = [impl = impl_.get(), bytes](base::Resume<base::Result<base::Secret>> resume) {
    impl->submit<base::Secret>(
        2,
        [bytes](Token& token) -> base::Result<base::Secret> {
          base::Secret out(bytes);
          SIGILLO_CHECK(token.random(out.writable()));
          return out;
        },
        resume);
  };
  co_return co_await base::suspend<base::Result<base::Secret>>(begin);
}

base::Task<bool> Dispatcher::hop() {
  auto begin = [impl = impl_.get()](base::Resume<bool> resume) { impl->submit_hop(resume); };
  co_return co_await base::suspend<bool>(begin);
}

bool Dispatcher::healthy() const {
  return impl_->healthy();
}
std::uint64_t Dispatcher::calls() const {
  return impl_->calls();
}
Dispatcher::Load Dispatcher::load() const {
  return impl_->load();
}
const std::array<base::Histogram, 3>& Dispatcher::times() const {
  return impl_->times();
}

}  // namespace sigillo::hsm
