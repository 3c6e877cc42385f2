// SubjectQueue: everything that reads and then writes a subject passes here, one at a time and in order of
// arrival, so that N parallel right PINs all verify and N parallel wrong ones are N charges. Different
// subjects do not meet. The next waiter goes on on a decider, never inside the one that released it.
// Thread rule: any thread; it outlives every Turn.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>

#include <base/task.hpp>
#include <hsm/dispatcher.hpp>
#include <sealed_store/store.hpp>

namespace sigillo::appliance {

class SubjectQueue {
 public:
  explicit SubjectQueue(hsm::Dispatcher& dispatcher) : dispatcher_(dispatcher) {}

  class [[nodiscard]] Turn {
   public:
    Turn(SubjectQueue& queue, sealed_store::SubjectIndex subject) : queue_(&queue), subject_(subject) {}
    Turn(Turn&& other) noexcept : queue_(std::exchange(other.queue_, nullptr)), subject_(other.subject_) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (queue_ != nullptr) queue_->release(subject_);
    }

   private:
    SubjectQueue* queue_;
    sealed_store::SubjectIndex subject_;
  };

  base::Task<Turn> enter(sealed_store::SubjectIndex subject) {
    const auto begin = [this, &subject](base::Resume<bool> resume) { wait(subject, resume); };
    const bool queued = co_await base::suspend<bool>(begin);
    if (queued) co_await dispatcher_.hop();
    co_return Turn(*this, subject);
  }

 private:
  using Waiters = std::deque<base::Resume<bool>>;
  static constexpr std::size_t kShards = 64;
  struct Shard {
    std::mutex mutex;
    std::map<sealed_store::SubjectIndex, Waiters> busy;
  };
  Shard& shard(const sealed_store::SubjectIndex& subject) { return shards_[subject[0] % kShards]; }

  void wait(const sealed_store::SubjectIndex& subject, base::Resume<bool> resume) {
    Shard& where = shard(subject);
    {
      const std::lock_guard lock(where.mutex);
      const auto [entry, free] = where.busy.try_emplace(subject);
      if (!free) {
        entry->second.push_back(resume);
        return;
      }
    }
    resume(false);
  }

  void release(const sealed_store::SubjectIndex& subject) {
    Shard& where = shard(subject);
    std::optional<base::Resume<bool>> next;
    {
      const std::lock_guard lock(where.mutex);
      const auto entry = where.busy.find(subject);
      if (entry->second.empty()) {
        where.busy.erase(entry);
      } else {
        next = entry->second.front();
        entry->second.pop_front();
      }
    }
    // The waiter's first act is a hop() to a decider, so this returns at once.
    if (next) (*next)(true);
  }

  hsm::Dispatcher& dispatcher_;
  Shard shards_[kShards];
};

}  // namespace sigillo::appliance
