// DoorLog: who was turned away before any rule was asked: a channel that is revoked, suspended or unknown, a
// role, a quota. None of that is in the ledger, which whoever is turned away could fill; so the log tells of
// the first in each hour, of each certificate and code, and the metrics count all. Never a subject, never
// what was asked. Bounded: past kToldMax pairs in an hour the rest is only counted. Thread rule: any thread.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <utility>

#include <api/problem.hpp>
#include <base/clock.hpp>

#include "tls.hpp"

namespace sigillo::api {

class DoorLog {
 public:
  static constexpr std::size_t kToldMax = 1'000;

  static bool is_for(Code code);
  void turned_away(Code code, const PeerIdentity& peer, base::Instant now);

 private:
  bool is_first(Code code, const base::Digest& certificate_key, base::Instant now);

  std::mutex mutex_;
  std::int64_t hour_ = 0;
  std::set<std::pair<base::Digest, Code>> told_;
};

}  // namespace sigillo::api
