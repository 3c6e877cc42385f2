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

// What a decider goes on with.
class Made {
 public:
  virtual ~Made() = default;
  virtual void give() = 0;
};

class Hop final : public Made {
 public:
  explicit Hop(base::Resume<std::monostate> resume) : resume_(resume) {}
  void give() override { resume_({}); }

 private:
  const base::Resume<std::monostate> resume_;
};

enum class JobState : std::uint8_t { pending, done, expired };

// One awaited call. Decider and deadline thread race for it; who moves `state` away from pending resumes the
// coroutine.
class Job : public Made {
 public:
  explicit Job(steady_clock::time_point deadline) : deadline_(deadline) {}
  virtual void call() = 0;       // on a worker
  virtual void give_late() = 0;  // on the deadline thread, once it has claimed the job
  bool pending() const { return state_ == JobState::pending; }
  bool expired() const { return state_ == JobState::expired; }
  steady_clock::time_point deadline() const { return deadline_; }
  std::atomic<bool> in_module{false};
  bool stuck = false;    // of the dispatcher, under its lock: the module did not come back from it in time
  bool overdue = false;  // of the deadline thread: it waited too long, and for no hanging module
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
void discard(base::Result<base::Digest>& result) {
  if (result) base::wipe(*result);
}

template <class T, class Call>
class CallJob final : public Job {
 public:
  CallJob(steady_clock::time_point deadline, Call call, base::Resume<T> resume)
      : Job(deadline), call_(std::move(call)), resume_(resume) {}

  // Inputs and result go as soon as they can: the job itself stays until its deadline's turn.
  void call() override { result_.emplace(std::exchange(call_, std::nullopt).value()()); }

  void give() override {
    T result = std::move(*result_);
    discard(*result_);
    result_.reset();
    if (claim(JobState::done)) {
      resume_(std::move(result));
    } else {
      // What a MAC says after its deadline must not decide: nobody was told that an answer was still
      // possible.
      discard(result);
    }
  }

  void give_late() override {
    resume_(overdue ? base::Error(QueueErrc::overdue, "there was too much to do before it")
                    : base::Error(Errc::deadline, "the HSM did not answer in time"));
  }

 private:
  std::optional<Call> call_;
  std::optional<T> result_;
  const base::Resume<T> resume_;
};

DispatcherOptions at_least_one_of_each(DispatcherOptions options) {
  options.workers = std::max<std::size_t>(options.workers, 1);
  options.deciders = std::max<std::size_t>(options.deciders, 1);
  return options;
}

}  // namespace

class Dispatcher::Impl {
 public:
  Impl(Token& token, DispatcherOptions options)
      : token_(token), options_(at_least_one_of_each(options)), workers_left_(options_.workers) {
    for (std::size_t i = 0; i < options_.workers; ++i) workers_.emplace_back([this] { work(); });
    for (std::size_t i = 0; i < options_.deciders; ++i) deciders_.emplace_back([this] { decide(); });
    deadlines_ = std::thread([this] { watch_deadlines(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    queued_.notify_all();
    for (auto& thread : workers_) thread.join();
    // Every call has come back by now, and a decider is there for whoever hops until nobody expires any more.
    {
      const std::lock_guard lock(mutex_);
      finished_ = true;
    }
    finish_.notify_all();
    deadlines_.join();
    {
      const std::lock_guard lock(made_mutex_);
      all_made_ = true;
    }
    some_made_.notify_all();
    for (auto& thread : deciders_) thread.join();
  }

  // Queues a call of the token, counted and judged; `call` gives a Result.
  template <class T, class Call>
  void submit(std::size_t function, KeyRef key, Call call, base::Resume<base::Result<T>> resume) {
    auto judged = [this, function, key, call = std::move(call)]() mutable {
      calls_.fetch_add(1, std::memory_order_relaxed);
      const auto begun = steady_clock::now();
      auto result = call(token_);
      times_[function].observe(steady_clock::now() - begun);
      if (!result) judge(result.error(), key);
      return result;
    };
    enqueue<base::Result<T>>(std::move(judged), resume);
  }

  // Not bounded: whoever hops was admitted before, and has a charge in the ledger to settle.
  void submit_hop(base::Resume<std::monostate> resume) { hand_over(std::make_shared<Hop>(resume)); }

  bool healthy() const {
    if (!healthy_ || token_.state() != TokenState::up) return false;
    const std::lock_guard lock(mutex_);
    return !all_stuck();
  }
  void set_healthy(bool healthy) { healthy_ = healthy; }
  std::uint64_t calls() const { return calls_; }
  Load load() const {
    Load out;
    {
      const std::lock_guard lock(mutex_);
      out = {options_.workers, stuck_, queue_.size()};
    }
    const std::lock_guard lock(made_mutex_);
    out.undecided = made_.size();
    return out;
  }
  std::uint64_t logins() const { return token_.logins(); }
  const std::array<base::Histogram, 3>& times() const { return times_; }

 private:
  // Once the job is queued its coroutine may run, and end, on another thread: nothing of the caller's is
  // touched after.
  template <class T, class Call>
  void enqueue(Call call, base::Resume<T> resume) {
    const auto deadline = steady_clock::now() + std::chrono::milliseconds(options_.deadline.ms);
    auto job = std::make_shared<CallJob<T, Call>>(deadline, std::move(call), resume);
    bool possible = false;
    {
      const std::lock_guard lock(mutex_);
      // 1. the module hangs in every worker; 2. each new call would wait for its whole deadline, to learn
      // what is known already. So it fails at once, until a worker has come back.
      possible = workers_left_ > 0 && !all_stuck();
      if (queue_.size() < options_.queue_max && possible) {
        while (!waiting_.empty() && !waiting_.front()->pending()) waiting_.pop_front();
        waiting_.push_back(job);
        queue_.push_back(std::move(job));
      }
    }
    if (!job) {
      queued_.notify_one();
      return;
    }
    resume(possible ? base::Error(QueueErrc::full, "the HSM's queue is full")
                    : base::Error(Errc::unavailable, "the module comes back from no call"));
  }

  void work() {
    if (options_.workers > 1)
      base::name_foremost_thread("hsm-worker");
    else
      base::name_thread("hsm-worker");
    std::unique_lock lock(mutex_);
    for (;;) {
      queued_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) break;
      auto job = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      make(std::move(job));
      lock.lock();
    }
    --workers_left_;
  }

  void make(std::shared_ptr<Job> job) {
    // In this order: who finds it expired afterwards finds it in the module too, or it was never begun.
    job->in_module = true;
    const bool in_time = job->pending();
    if (in_time) job->call();
    job->in_module = false;
    if (job->expired()) {
      const std::lock_guard lock(mutex_);
      if (job->stuck) --stuck_;
    }
    if (in_time) hand_over(std::move(job));
  }

  void hand_over(std::shared_ptr<Made> made) {
    {
      const std::lock_guard lock(made_mutex_);
      made_.push_back(std::move(made));
    }
    some_made_.notify_one();
  }

  void decide() {
    base::name_thread("decider");
    std::unique_lock lock(made_mutex_);
    for (;;) {
      some_made_.wait(lock, [&] { return all_made_ || !made_.empty(); });
      if (made_.empty()) return;
      auto made = std::move(made_.front());
      made_.pop_front();
      lock.unlock();
      made->give();
      made.reset();
      lock.lock();
    }
  }

  bool all_stuck() const { return stuck_ >= options_.workers; }

  // Under the lock. An expiry in the queue says that there is much to do, one in the module that it is away.
  bool expire(Job& job) {
    if (!job.claim(JobState::expired)) return false;
    if (job.in_module) {
      job.stuck = true;
      ++stuck_;
      healthy_ = false;
    }
    job.overdue = !job.stuck && !all_stuck();
    return true;
  }

  // All deadlines are equally long, so the queue is in their order, and nothing queued while this thread
  // sleeps can expire before it wakes: nobody ever needs to wake it.
  void watch_deadlines() {
    base::name_thread("hsm-deadlines");
    std::unique_lock lock(mutex_);
    while (!finished_) {
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

  // A request that is wrong in itself says nothing about the device (a key that was never found, caller's
  // fault). One that was found on the token and is not there any more, or is another, says that the device is
  // not the one it was: a fail-over to a member that lacks it.
  void judge(const base::Error& error, KeyRef key) {
    switch (static_cast<Errc>(error.number())) {
      case Errc::no_such_key:
      case Errc::bad_attributes:
        if (key.slot() != KeyRef().slot()) healthy_ = false;
        return;
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
  std::size_t stuck_ = 0;                     // workers whose call has passed its deadline and not returned
  bool stopping_ = false;
  bool finished_ = false;
  std::size_t workers_left_;

  mutable std::mutex made_mutex_;  // never taken together with the other
  std::condition_variable some_made_;
  std::deque<std::shared_ptr<Made>> made_;  // for the deciders
  bool all_made_ = false;

  std::vector<std::thread> workers_;
  std::vector<std::thread> deciders_;
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
        0, key, [key, owned = std::move(message)](Token& token) { return token.hmac(key, owned.expose()); },
        resume);
  };
  co_return co_await base::suspend<base::Result<base::Digest>>(begin);
}

base::Task<base::Result<base::Bytes>> Dispatcher::sign(KeyRef key, base::Digest digest) {
  auto begin = [impl = impl_.get(), key, digest](base::Resume<base::Result<base::Bytes>> resume) {
    impl->submit<base::Bytes>(
        1, key, [key, digest](Token& token) { return token.sign(key, digest); }, resume);
  };
  co_return co_await base::suspend<base::Result<base::Bytes>>(begin);
}

base::Task<base::Result<base::Secret>> Dispatcher::random(std::size_t bytes) {
  auto begin = [impl = impl_.get(), bytes](base::Resume<base::Result<base::Secret>> resume) {
    impl->submit<base::Secret>(
        2, KeyRef(),
        [bytes](Token& token) -> base::Result<base::Secret> {
          base::Secret out(bytes);
          SIGILLO_CHECK(token.random(out.writable()));
          return out;
        },
        resume);
  };
  co_return co_await base::suspend<base::Result<base::Secret>>(begin);
}

base::Task<std::monostate> Dispatcher::hop() {
  auto begin = [impl = impl_.get()](base::Resume<std::monostate> resume) { impl->submit_hop(resume); };
  co_return co_await base::suspend<std::monostate>(begin);
}

bool Dispatcher::healthy() const {
  return impl_->healthy();
}
void Dispatcher::set_healthy(bool healthy) {
  impl_->set_healthy(healthy);
}
std::uint64_t Dispatcher::calls() const {
  return impl_->calls();
}
Dispatcher::Load Dispatcher::load() const {
  return impl_->load();
}
std::uint64_t Dispatcher::logins() const {
  return impl_->logins();
}
const std::array<base::Histogram, 3>& Dispatcher::times() const {
  return impl_->times();
}

}  // namespace sigillo::hsm
