// HmacKey: HMAC-SHA256 (FIPS 198-1) many times under one key. The key's schedule is made once, and not at
// each call as hmac_sha256() does. What OpenSSL keeps of the key stands in its own memory, which is not
// locked. A failure inside OpenSSL ends the process. Thread rule: any thread.
#pragma once

#include <initializer_list>
#include <memory>
#include <mutex>
#include <vector>

#include <base/crypto.hpp>

namespace sigillo::base {

class HmacKey {
 public:
  explicit HmacKey(Secret key);
  ~HmacKey();
  Digest operator()(std::initializer_list<ByteView> parts) const;

 private:
  struct Context;
  std::unique_ptr<Context> take() const;
  const Secret key_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Context>> idle_;  // as many as were ever used at once
};

}  // namespace sigillo::base
