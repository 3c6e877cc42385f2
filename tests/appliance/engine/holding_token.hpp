// HoldingToken: a Token before the real one, whose n-th working call waits until it is released: the HSM that
// hangs in the middle. Its MACs may be wrong ones: the HSM that lies. Thread rule: as Token.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include <hsm/token.hpp>

namespace sigillo::appliance::testing {

class HoldingToken final : public hsm::Token {
 public:
  explicit HoldingToken(hsm::Token& behind) : behind_(behind) {}

  // The n-th call of random, hmac or sign from now on (1: the next) waits for release(). Its answer is the
  // real one.
  void hold(std::uint64_t n) {
    const std::lock_guard lock(mutex_);
    holds_at_ = calls_ + n;
  }
  // Until that call is there.
  void await_held() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return calls_ >= holds_at_; });
  }
  void release() {
    const std::lock_guard lock(mutex_);
    holds_at_ = 0;
    released_.notify_all();
  }

  void lie(bool lies) { lies_ = lies; }

  base::Result<void> random(std::span<base::Byte> out) override {
    pass();
    return behind_.random(out);
  }
  base::Result<base::Digest> hmac(hsm::KeyRef key, base::ByteView message) override {
    pass();
    auto mac = behind_.hmac(key, message);
    if (mac && lies_) (*mac)[0] ^= 1;
    return mac;
  }
  base::Result<base::Bytes> sign(hsm::KeyRef key, base::ByteView digest) override {
    pass();
    return behind_.sign(key, digest);
  }
  base::Result<base::Bytes> public_key(hsm::KeyRef key) override { return behind_.public_key(key); }
  base::Result<hsm::KeyRef> find_key(const hsm::KeyId& id) override { return behind_.find_key(id); }
  base::Result<std::vector<hsm::KeyInfo>> list_keys() override { return behind_.list_keys(); }
  base::Result<hsm::KeyRef> generate_key(const hsm::KeyId& id, hsm::KeyType type) override {
    return behind_.generate_key(id, type);
  }
  base::Result<void> destroy_key(const hsm::KeyId& id) override { return behind_.destroy_key(id); }
  base::Result<hsm::DataHandle> create_data(const std::string& label, base::ByteView value) override {
    return behind_.create_data(label, value);
  }
  base::Result<std::vector<hsm::DataObject>> list_data(const std::string& label) override {
    return behind_.list_data(label);
  }
  base::Result<void> destroy_data(hsm::DataHandle handle) override { return behind_.destroy_data(handle); }
  base::Result<std::vector<hsm::DataObject>> list_data_anew(const std::string& label) override {
    return behind_.list_data_anew(label);
  }
  base::Result<hsm::DataHandle> create_rewritable_data(const std::string& label,
                                                       base::ByteView value) override {
    return behind_.create_rewritable_data(label, value);
  }
  base::Result<void> rewrite_data(hsm::DataHandle handle, base::ByteView value) override {
    return behind_.rewrite_data(handle, value);
  }
  base::Result<base::Bytes> read_data(hsm::DataHandle handle) override { return behind_.read_data(handle); }
  base::Result<void> self_test() override { return behind_.self_test(); }
  std::size_t parallelism() const override { return behind_.parallelism(); }

 private:
  void pass() {
    std::unique_lock lock(mutex_);
    const auto mine = ++calls_;
    arrived_.notify_all();
    released_.wait(lock, [&] { return holds_at_ != mine; });
  }

  hsm::Token& behind_;
  std::mutex mutex_;
  std::condition_variable arrived_, released_;
  std::uint64_t calls_ = 0, holds_at_ = 0;
  std::atomic<bool> lies_ = false;
};

}  // namespace sigillo::appliance::testing
