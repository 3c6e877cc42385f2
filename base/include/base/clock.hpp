// The one source of time. Code that decides takes an Instant as an argument; only compositions hold a Clock.
// Thread rule: a Clock may be asked from any thread.
#pragma once

#include <atomic>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sigillo::base {

struct Duration {
  std::int64_t ms = 0;
  auto operator<=>(const Duration&) const = default;
  // The API speaks whole seconds, rounded up: a caller told "1" may not come too early.
  std::int64_t seconds_up() const { return (ms + 999) / 1000; }
};
constexpr Duration seconds(std::int64_t n) {
  return {n * 1000};
}
constexpr Duration minutes(std::int64_t n) {
  return {n * 60'000};
}
constexpr Duration hours(std::int64_t n) {
  return {n * 3'600'000};
}
constexpr Duration days(std::int64_t n) {
  return {n * 86'400'000};
}

// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
struct Instant {
  std::int64_t ms = 0;
  auto operator<=>(const Instant&) const = default;
  friend constexpr Instant operator+(Instant a, Duration b) { return {a.ms + b.ms}; }
  friend constexpr Instant operator-(Instant a, Duration b) { return {a.ms - b.ms}; }
  friend constexpr Duration operator-(Instant a, Instant b) { return {a.ms - b.ms}; }
};

std::string to_rfc3339(Instant instant);  // UTC, seconds, `Z` (RFC 3339 section 5.6)
// Exactly what to_rfc3339() writes, of a moment that exists; nothing else.
std::optional<Instant> parse_rfc3339(std::string_view text);

// A number and s, m, h or d ("90s", "60d"); nothing else, and never more than 36,500 days.
std::optional<Duration> parse_duration(std::string_view text);
std::string to_text(Duration duration);  // the shortest of the same form

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Instant now() const override;
};

// For tests: stands still until it is told.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Instant start) : ms_(start.ms) {}
  Instant now() const override { return {ms_.load()}; }
  void advance(Duration by) { ms_ += by.ms; }
  void set(Instant to) { ms_ = to.ms; }

 private:
  std::atomic<std::int64_t> ms_;
};

}  // namespace sigillo::base
