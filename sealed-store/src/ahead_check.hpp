// AheadCheck: checks every bucket after the start, before somebody's request has to: at ten million subjects
// a bucket has 150 rows, and its first reader would wait for all of them. It also finds a row of yesterday
// that nobody asks for, and a queue's list that has lost somebody; and looks again now and then. While
// commits go on it takes a fifth of one core; in quiet, all of it. Thread rule: one thread of its own, from
// construction to destruction.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "record_reader.hpp"

namespace sigillo::sealed_store {

class AheadCheck {
 public:
  AheadCheck(RecordReader& reader, const State& state, base::Duration again);
  ~AheadCheck();

 private:
  struct Pace {
    std::chrono::steady_clock::time_point since;
    std::uint64_t seen;
  };
  void run();
  bool check_all(bool again);                                // false: stopping, as below
  bool keep(Pace& pace, const base::Result<void>& checked);  // rests where it is time to
  std::uint64_t head() const;
  bool rest(std::chrono::steady_clock::duration time);  // false: stopping

  RecordReader& reader_;
  const State& state_;
  const std::chrono::milliseconds again_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sigillo::sealed_store
