// Quotas: a token bucket for each channel certificate. The key is the certificate, never an address: channels
// stand behind proxies, and an address says nothing of who calls. What is left of PIN tries is never told
// here. Thread rule: any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include <appliance/config.hpp>
#include <base/crypto.hpp>

namespace sigillo::api {

class QuotaTable {
 public:
  explicit QuotaTable(appliance::Quotas quotas) : quotas_(quotas) {}

  struct Grant {
    bool granted = true;
    std::uint32_t remaining = 0;
    std::uint32_t wait_s = 0;  // until one request is free again, or, where granted, until the bucket is full
  };
  bool on() const { return quotas_.per_second != 0; }
  const appliance::Quotas& quotas() const { return quotas_; }
  Grant take(const base::Digest& certificate_key, std::int64_t now_ms);  // of a steady clock
  // Both RateLimit fields as header lines (draft-ietf-httpapi-ratelimit-headers-10).
  std::string headers(const Grant& grant) const;

 private:
  struct Bucket {
    double tokens;
    std::int64_t at_ms;
  };
  const appliance::Quotas quotas_;
  std::mutex mutex_;
  std::map<base::Digest, Bucket>
      buckets_;  // one for each certificate that was ever let in: enrolled ones, so bounded
};

}  // namespace sigillo::api
