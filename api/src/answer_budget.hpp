// AnswerBudget: how many bytes of large answers are made or not taken yet, by channel and in total. Only
// pages of the ledger, leases and a conversion with its claims are large; everything else, a verification
// first of all, is never asked about here. Attack: (1) as an auditor open two thousand connections, (2) ask
// on each for a thousand entries, (3) read none of it: 0.4 MB wait on each, 0.8 GB in all, and what ends the
// process for want of memory ends everybody's answers. So room is taken before the work is begun, by what the
// request may come to, and given back once the last byte is with the kernel. Thread rule: any thread.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <appliance/operations.hpp>

namespace sigillo::api {

// What an answer to this may come to, in bytes; 0 where it is small whatever it says.
std::size_t large_answer(const appliance::Request& request);

class AnswerBudget {
 public:
  AnswerBudget(std::size_t per_channel, std::size_t total) : per_channel_(per_channel), total_max_(total) {}

  // Room that one answer takes; free again when it goes.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), of_(other.of_), bytes_(other.bytes_) {}
    Share& operator=(Share&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(of_, other.of_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Share() { resize(0); }
    // What it has come to.
    void resize(std::size_t bytes);

   private:
    friend class AnswerBudget;
    using Held = std::map<std::string, std::size_t>::iterator;
    Share(AnswerBudget& budget, Held of, std::size_t bytes) : budget_(&budget), of_(of), bytes_(bytes) {}
    AnswerBudget* budget_ = nullptr;
    Held of_{};
    std::size_t bytes_ = 0;
  };

  // Nothing: too much waits. One answer is let through to whoever has none, however large.
  std::optional<Share> take(const std::string& channel, std::size_t bytes);
  std::size_t held() const;

 private:
  const std::size_t per_channel_, total_max_;
  mutable std::mutex mutex_;
  std::map<std::string, std::size_t> by_channel_;  // enrolled ones, so bounded
  std::size_t total_ = 0;
};

}  // namespace sigillo::api
