// Secret: bytes that must not be seen. They live in the locked arena (OpenSSL's secure heap: mlock, guard
// pages, left out of core dumps), are wiped when they go, can be moved and not copied, compare in constant
// time, and have no operator<<. The one way to read them is expose(): grep for it, and you have read every
// place that does. Thread rule: a value, owned by one thread at a time.
#pragma once

#include <cstddef>
#include <initializer_list>

#include <base/bytes.hpp>
#include <base/result.hpp>

namespace sigillo::base {

// Once, before the first Secret and before any thread: makes the locked arena of this many bytes (a power of
// two) and says whether all of it could be locked. Without it (unit tests), secrets are on the ordinary heap,
// and still wiped.
[[nodiscard]] bool lock_secret_arena(std::size_t bytes);
// More than three quarters of it are in use: take no new work, for a secret that finds no place ends the
// process.
bool secret_arena_crowded();

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::size_t size);  // zeroed
  explicit Secret(ByteView bytes);
  // All parts, one after the other.
  static Secret concat(std::initializer_list<ByteView> parts);

  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();  // wipes

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  ByteView expose() const { return {data_, size_}; }
  std::string_view expose_text() const { return text(expose()); }
  std::span<Byte> writable() { return {data_, size_}; }
  Secret clone() const { return Secret(expose()); }
  void wipe();  // and forget

 private:
  Byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// In time that depends on the lengths alone. The only comparison that a secret may meet.
[[nodiscard]] bool constant_time_equal(ByteView a, ByteView b);
inline bool constant_time_equal(const Secret& a, const Secret& b) {
  return constant_time_equal(a.expose(), b.expose());
}

// Overwrites what was a secret's way in or out: a body's buffer, a rendered answer.
void wipe(std::span<Byte> bytes);
void wipe(std::string& text);

}  // namespace sigillo::base
