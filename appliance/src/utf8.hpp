// UTF-8, strictly (RFC 3629): what is ill-formed is refused and never repaired. Thread rule: a pure function.
#pragma once

#include <optional>
#include <string_view>

namespace sigillo::appliance {

// The next code point, taken off `text`, which is not empty; nothing where it is ill-formed: cut, overlong,
// surrogate, too large.
std::optional<char32_t> next_code_point(std::string_view& text);

}  // namespace sigillo::appliance
