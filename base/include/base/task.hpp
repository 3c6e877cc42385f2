// Task<T>: a coroutine that is awaited once and gives a T. It is lazy, and it has no thread of its own: it
// goes on on whichever thread resumes what it waited for (a decider, the store's writer). So a flow of a
// dozen waits reads from top to bottom, and no thread is held while the disk or the HSM works.
//   Task<Result<int>> f() { SIGILLO_CO_TRY(auto x, co_await g()); co_return x + 1; }
// Thread rule: one owner; a Task is started once, by co_await, start() or sync_wait().
// g++ 12: give a lambda or an aggregate a name before it goes into a co_await expression; its temporaries are
// copied bit by bit there (GCC bug 99576 and kin).
#pragma once

#include <condition_variable>
#include <coroutine>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>

namespace sigillo::base {

template <class T>
class [[nodiscard]] Task {
 public:
  struct promise_type {
    std::coroutine_handle<> continuation = std::noop_coroutine();
    std::optional<T> value;

    Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    struct Final {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> done) noexcept {
        return done.promise().continuation;
      }
      void await_resume() noexcept {}
    };
    Final final_suspend() noexcept { return {}; }
    template <class U>
    void return_value(U&& result) {
      value.emplace(std::forward<U>(result));
    }
    // Nothing in the product throws for a fault; what is thrown here is a bug or the end of memory.
    void unhandled_exception() { std::terminate(); }
  };

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
    handle_.promise().continuation = caller;
    return handle_;
  }
  T await_resume() { return std::move(*handle_.promise().value); }

 private:
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

// One-shot: gives a waiting coroutine its value and resumes it on the calling thread.
template <class T>
class Resume {
 public:
  Resume(std::optional<T>* slot, std::coroutine_handle<> waiter) : slot_(slot), waiter_(waiter) {}
  void operator()(T value) const {
    slot_->emplace(std::move(value));
    waiter_.resume();
  }

 private:
  std::optional<T>* slot_;
  std::coroutine_handle<> waiter_;
};

// co_await Suspend<T, F>(f): suspends, calls f(Resume<T>), goes on when the Resume was called (from any
// thread, also before f returned). The Resume must be called exactly once.
template <class T, class F>
class Suspend {
 public:
  explicit Suspend(F& begin) : begin_(begin) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) { begin_(Resume<T>(&value_, waiter)); }
  T await_resume() { return std::move(*value_); }

 private:
  F& begin_;
  std::optional<T> value_;
};
template <class T, class F>
Suspend<T, F> suspend(F& begin) {
  return Suspend<T, F>(begin);
}

namespace detail {
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};
}  // namespace detail

// Runs the task from here, on this thread until its first wait; `done` gets its value, on the thread that
// ends it.
template <class T, class F>
detail::Detached start(Task<T> task, F done) {
  done(co_await task);
}

// For tests and commands: waits for it. Never on a thread that the task needs.
template <class T>
T sync_wait(Task<T> task) {
  std::mutex mutex;
  std::condition_variable ready;
  std::optional<T> out;
  const auto done = [&](T value) {
    const std::lock_guard lock(mutex);
    out.emplace(std::move(value));
    ready.notify_one();
  };
  start(std::move(task), done);
  std::unique_lock lock(mutex);
  ready.wait(lock, [&] { return out.has_value(); });
  return std::move(*out);
}

}  // namespace sigillo::base
