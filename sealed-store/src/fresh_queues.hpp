// FreshQueues: what memory knows of the index of queues, so that an older page of it is recognised. A row's
// own freshness says nothing of the list that it is missing from: here each part of a queue has a set hash
// over who stands in it, and when. A part is 37 hours of a queue, or 1/256 of the numbers beyond the year
// 2248, which queues that nobody waits in use as an index. Attack it stops: (1) copy a page of the index, (2)
// let a channel, an officer or a suspension be added, (3) put the copy back: all rows are fresh, and the list
// that they are found by ends before them. Thread rule: none of its own; State's mutex.
#pragma once

#include <map>
#include <set>

#include "set_hash.hpp"

namespace sigillo::sealed_store {

class FreshQueues {
 public:
  using Part = std::uint32_t;  // the queue in the highest byte
  struct Range {
    std::uint8_t queue;
    std::int64_t first, last;  // due, in milliseconds; both included
  };
  static Part part_of(std::uint8_t queue, std::int64_t due_ms);
  static Range range_of(Part part);

  Lanes at(Part part) const;
  Lanes sum(std::uint8_t queue) const;  // of all its parts
  std::vector<Part> parts() const;      // that are not empty, in order

  void replace(Part part, const Lanes& set);  // committed, or logged: it is dirty until it is folded
  void set_total(const Lanes& total) { total_ = total; }
  const Lanes& total() const { return total_; }  // over all parts' hashes

  void load(Part part, const Lanes& set) { parts_[part] = set; }
  void loaded(const Prf& prf);  // the total is that of what was loaded

  const std::set<Part>& dirty() const { return dirty_; }
  void folded(Part part) { dirty_.erase(part); }

  // An alarm is raised once per part.
  void alarm(Part part);
  std::size_t alarms() const { return alarmed_.size(); }

 private:
  std::map<Part, Lanes> parts_;
  std::set<Part> dirty_, alarmed_;
  Lanes total_;
};

using QueueSets = std::map<FreshQueues::Part, Lanes>;

}  // namespace sigillo::sealed_store
