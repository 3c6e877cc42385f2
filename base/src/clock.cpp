#include <base/clock.hpp>

#include <charconv>
#include <chrono>
#include <ctime>

namespace sigillo::base {

std::string to_rfc3339(Instant instant) {
  const std::time_t seconds =
      static_cast<std::time_t>(instant.ms >= 0 ? instant.ms / 1000 : (instant.ms - 999) / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char buffer[32];
  const auto length = std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {buffer, length};
}

std::optional<Instant> parse_rfc3339(std::string_view text) {
  const std::string copy(text);  // strptime wants an end
  std::tm parts{};
  const char* const end = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  const Instant out{static_cast<std::int64_t>(timegm(&parts)) * 1000};
  if (to_rfc3339(out) != text) return std::nullopt;  // 30 February, one digit for two
  return out;
}

std::optional<Duration> parse_duration(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  std::int64_t number = 0;
  const char* end = text.data() + text.size() - 1;
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number < 0 || number > 3'153'600'000) return std::nullopt;
  Duration out;
  switch (text.back()) {
    case 's':
      out = seconds(number);
      break;
    case 'm':
      out = minutes(number);
      break;
    case 'h':
      out = hours(number);
      break;
    case 'd':
      out = days(number);
      break;
    default:
      return std::nullopt;
  }
  if (out > days(36'500)) return std::nullopt;
  return out;
}

std::string to_text(Duration duration) {
  const std::int64_t s = duration.ms / 1000;
  if (s != 0 && s % 86'400 == 0) return std::to_string(s / 86'400) + "d";
  if (s != 0 && s % 3'600 == 0) return std::to_string(s / 3'600) + "h";
  if (s != 0 && s % 60 == 0) return std::to_string(s / 60) + "m";
  return std::to_string(s) + "s";
}

Instant SystemClock::now() const {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::milliseconds>(since).count()};
}

}  // namespace sigillo::base
