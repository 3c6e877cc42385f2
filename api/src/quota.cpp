#include "quota.hpp"

#include <algorithm>
#include <cmath>

namespace sigillo::api {

QuotaTable::Grant QuotaTable::take(const base::Digest& certificate_key, std::int64_t now_ms) {
  if (!on()) return {};
  const double full = std::max(1.0, static_cast<double>(quotas_.burst));
  const double rate = quotas_.per_second;
  const std::lock_guard lock(mutex_);
  auto& bucket = buckets_.try_emplace(certificate_key, Bucket{full, now_ms}).first->second;
  const double gained = static_cast<double>(std::max<std::int64_t>(0, now_ms - bucket.at_ms)) * rate / 1000.0;
  bucket.tokens = std::min(full, bucket.tokens + gained);
  bucket.at_ms = std::max(bucket.at_ms, now_ms);
  if (bucket.tokens < 1.0) {
    // Whole seconds, rounded up: who waits as long as told is let in.
    return {false, 0, static_cast<std::uint32_t>(std::ceil((1.0 - bucket.tokens) / rate))};
  }
  bucket.tokens -= 1.0;
  return {true, static_cast<std::uint32_t>(bucket.tokens),
          static_cast<std::uint32_t>(std::ceil((full - bucket.tokens) / rate))};
}

std::string QuotaTable::headers(const Grant& grant) const {
  return "RateLimit-Policy: \"channel\";q=" + std::to_string(quotas_.per_second) +
         ";w=1\r\nRateLimit: \"channel\";r=" + std::to_string(grant.remaining) +
         ";t=" + std::to_string(grant.wait_s) + "\r\n";
}

}  // namespace sigillo::api
