// JsonWriter: compact JSON into a buffer that is wiped, or given away where nothing in it is secret. The
// first block is large enough for every answer that holds a secret, so that growing never leaves a copy
// behind. It writes commas; the caller keeps begin and end balanced. Thread rule: one writer, one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <base/clock.hpp>
#include <base/secret.hpp>

namespace sigillo::api {

class JsonWriter {
 public:
  static constexpr std::size_t kFirstBlock = 2048;

  JsonWriter() { out_.reserve(kFirstBlock); }
  JsonWriter(const JsonWriter&) = delete;
  JsonWriter& operator=(const JsonWriter&) = delete;
  ~JsonWriter() { base::wipe(out_); }

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);  // a literal: not escaped

  JsonWriter& text(std::string_view value);  // UTF-8; escaped by RFC 8259 section 7
  JsonWriter& number(std::uint64_t value) { return raw(std::to_string(value)); }
  JsonWriter& truth(bool value) { return raw(value ? "true" : "false"); }
  JsonWriter& null() { return raw("null"); }
  JsonWriter& raw(std::string_view json);  // a value that is JSON already

  JsonWriter& member(std::string_view name, std::string_view value) { return key(name).text(value); }
  JsonWriter& member(std::string_view name, base::Instant value) {
    return key(name).text(base::to_rfc3339(value));
  }
  JsonWriter& member_or_null(std::string_view name, const std::optional<base::Instant>& value) {
    return value ? member(name, *value) : key(name).null();
  }
  JsonWriter& member_if(std::string_view name, const std::optional<std::string>& value) {
    return value ? member(name, std::string_view(*value)) : *this;
  }

  base::Secret take_secret() { return base::Secret(base::view(out_)); }
  std::string take_open() { return std::move(out_); }  // no secret was written

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();

  std::string out_;
  bool comma_ = false;
};

}  // namespace sigillo::api
