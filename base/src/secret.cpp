#include <base/secret.hpp>

#include <openssl/crypto.h>

#include <cstring>
#include <mutex>
#include <new>

namespace sigillo::base {

namespace {
std::size_t arena_bytes = 0;
// The arena has a lock of its own, which glibc's writers spin at where its holder was preempted while taking
// it: with the 34 workers of a network HSM a sixth of all CPU. At this one they sleep, and find that one
// free.
std::mutex one_at_a_time;
}  // namespace

bool lock_secret_arena(std::size_t bytes) {
  arena_bytes = bytes;
  return CRYPTO_secure_malloc_init(bytes, 32) == 1;
}

bool secret_arena_crowded() {
  return CRYPTO_secure_malloc_initialized() == 1 && CRYPTO_secure_used() > arena_bytes / 4 * 3;
}

Secret::Secret(std::size_t size) : size_(size) {
  if (size == 0) return;
  {
    const std::lock_guard lock(one_at_a_time);
    data_ = static_cast<Byte*>(OPENSSL_secure_zalloc(size));
  }
  // The arena is sized for the requests in flight; past that there is no place where a secret may go.
  if (data_ == nullptr) throw std::bad_alloc();
}

Secret::Secret(ByteView bytes) : Secret(bytes.size()) {
  if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
}

Secret Secret::concat(std::initializer_list<ByteView> parts) {
  std::size_t size = 0;
  for (const auto part : parts) size += part.size();
  Secret out(size);
  std::size_t at = 0;
  for (const auto part : parts) {
    if (!part.empty()) std::memcpy(out.data_ + at, part.data(), part.size());
    at += part.size();
  }
  return out;
}

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Secret::~Secret() {
  wipe();
}

void Secret::wipe() {
  if (data_ == nullptr) return;
  const std::lock_guard lock(one_at_a_time);
  OPENSSL_secure_clear_free(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

bool constant_time_equal(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe(std::span<Byte> bytes) {
  if (!bytes.empty()) OPENSSL_cleanse(bytes.data(), bytes.size());
}

void wipe(std::string& text) {
  if (!text.empty()) OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

}  // namespace sigillo::base
