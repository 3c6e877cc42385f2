// Result<T>: a value or an Error, and nothing between. Every fallible function of every module returns one;
// exceptions are kept for bugs. An Error carries the stable number of its module's enum, the raw code of what
// lies below (CK_RV, SQLite, errno) and where it was made. It never carries a secret, a subject or a PIN:
// `detail` is a literal. Thread rule: values, no shared state.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>

namespace sigillo::base {

// Module enums are `enum class Errc : std::uint16_t` with numbers of their own hundred: base 1xx, hsm 2xx,
// sealed-store 3xx, appliance 4xx, api 5xx, provisioning 6xx, channels 7xx. Numbers are never reused.
class [[nodiscard]] Error {
 public:
  template <class E>
  requires std::is_enum_v<E> Error(E code, const char* detail, unsigned long raw = 0,
                                   std::source_location where = std::source_location::current())
      : code_(static_cast<std::uint16_t>(code)), raw_(raw), detail_(detail), where_(where) {}

  template <class E>
  requires std::is_enum_v<E>
  bool is(E code) const { return code_ == static_cast<std::uint16_t>(code); }
  std::uint16_t number() const { return code_; }
  unsigned long raw() const { return raw_; }
  const char* detail() const { return detail_; }  // a string literal
  const std::source_location& where() const { return where_; }

 private:
  std::uint16_t code_;
  unsigned long raw_;
  const char* detail_;
  std::source_location where_;
};

template <class T>
class [[nodiscard]] Result {
 public:
  using Value = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, error) {}

  explicit operator bool() const { return state_.index() == 0; }
  // Asking a failure for its value is a bug: std::get throws, nobody catches, the process ends.
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using Value = void;
  Result() = default;
  Result(Error error) : error_(error) {}
  explicit operator bool() const { return !error_.has_value(); }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

inline Result<void> ok() {
  return {};
}

}  // namespace sigillo::base

// SIGILLO_TRY(auto x, f()): x is the value, or the error is returned. SIGILLO_CHECK(f()) for Result<void>.
// The CO_ forms stand in coroutines.
#define SIGILLO_CONCAT_(a, b) a##b
#define SIGILLO_CONCAT(a, b) SIGILLO_CONCAT_(a, b)
#define SIGILLO_TRY_(tmp, decl, expr, ret) \
  auto tmp = (expr);                       \
  if (!tmp) ret tmp.error();               \
  decl = std::move(tmp).value()
#define SIGILLO_TRY(decl, expr) SIGILLO_TRY_(SIGILLO_CONCAT(try_, __LINE__), decl, expr, return )
#define SIGILLO_CO_TRY(decl, expr) SIGILLO_TRY_(SIGILLO_CONCAT(try_, __LINE__), decl, expr, co_return )
#define SIGILLO_CHECK(expr) \
  if (auto check_ = (expr); !check_) return check_.error()
#define SIGILLO_CO_CHECK(expr) \
  if (auto check_ = (expr); !check_) co_return check_.error()
