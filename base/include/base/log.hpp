// The process log: one line per event on standard error, `time level event key=value ...` (logfmt), through
// spdlog. A field is a number, a truth value or a short text that is public. There is no overload that takes
// a Secret, and subjects, PINs, contacts and tokens are never passed: what is not given cannot leak, and
// nothing is redacted. Thread rule: any thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include <base/result.hpp>

namespace sigillo::base {
class Secret;
}

namespace sigillo::base::log {

struct Field {
  Field(std::string_view k, std::string_view v);
  Field(std::string_view k, const char* v) : Field(k, std::string_view(v)) {}
  template <std::integral I>
  Field(std::string_view k, I v) : key(k), value(std::to_string(v)) {}
  Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  Field(std::string_view k, const Secret& v) = delete;

  std::string_view key;
  std::string value;
};

void info(std::string_view event, std::initializer_list<Field> fields = {});
void warn(std::string_view event, std::initializer_list<Field> fields = {});
void error(std::string_view event, std::initializer_list<Field> fields = {});
// An Error with its number, raw code, detail and place.
void error(std::string_view event, const Error& cause);
void flush();

}  // namespace sigillo::base::log
