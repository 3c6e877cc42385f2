// The writing half of codec.hpp: the members in the order in which a record lists them. Thread rule: values.
#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include <appliance/appended.hpp>
#include <base/bytes.hpp>
#include <base/clock.hpp>

#include "codec_listed.hpp"

namespace sigillo::appliance::codec {

class Writer {
 public:
  base::Bytes take() { return std::move(out_); }

  template <class... Ts>
  void operator()(const Ts&... members) {
    (write(members), ...);
  }

 private:
  void varint(std::uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<base::Byte>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<base::Byte>(value));
  }
  template <class T>
  void write(const T& value) {
    if constexpr (std::is_enum_v<T>) {
      varint(static_cast<std::uint64_t>(value));
    } else if constexpr (std::is_same_v<T, bool> || (std::is_integral_v<T> && std::is_unsigned_v<T>)) {
      varint(value);
    } else if constexpr (std::is_integral_v<T>) {
      varint((static_cast<std::uint64_t>(value) << 1) ^
             static_cast<std::uint64_t>(std::int64_t{value} >> 63));
    } else {
      static_assert(Listed<T>);
      const_cast<T&>(value).fields(*this);  // one list for both directions; the writer only reads
    }
  }
  void write(const base::Instant& value) { write(value.ms); }
  void write(const std::string& value) {
    varint(value.size());
    base::append(out_, base::view(value));
  }
  void write(const base::Bytes& value) {
    varint(value.size());
    base::append(out_, value);
  }
  template <std::size_t N>
  void write(const base::ByteArray<N>& value) {
    base::append(out_, value);
  }
  template <class T>
  void write(const std::optional<T>& value) {
    varint(value.has_value() ? 1 : 0);
    if (value) write(*value);
  }
  template <class T>
  void write(const Appended<T>& last) {
    if (!(last.value == T{})) write(last.value);
  }
  template <class T>
  void write(const std::vector<T>& values) {
    varint(values.size());
    for (const auto& value : values) write(value);
  }
  template <class... Ts>
  void write(const std::variant<Ts...>& value) {
    varint(value.index());
    std::visit([this](const auto& alternative) { this->write(alternative); }, value);
  }

  base::Bytes out_;
};

}  // namespace sigillo::appliance::codec
