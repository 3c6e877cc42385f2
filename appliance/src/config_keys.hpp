// Every key of the configuration file, as one table: its name, where its value goes, which way it may be
// tightened. What is not in the table is not a key. Who reads it is config.cpp; no TOML is known here. Thread
// rule: constants.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include <appliance/config.hpp>

namespace sigillo::appliance {

// What a value is, and its place in the Config.
struct DurationAt {
  base::Duration& (*at)(Config&);
};
struct CountAt {
  std::uint32_t& (*at)(Config&);
  std::uint32_t max = UINT32_MAX;
  bool zero_on_development = false;  // a quota: off
};
struct FlagAt {
  bool& (*at)(Config&);
};
struct PathAt {  // absolute
  std::string& (*at)(Config&);
};
struct TextAt {
  std::string& (*at)(Config&);
  bool (*valid)(std::string_view);
  const char* wanted;  // completes "must be ..."
};
struct ChoiceAt {
  bool (*set)(Config&, std::string_view);  // false: not one of them
  std::int64_t (*rank)(Config&);           // orders the choices, where one is tighter
  const char* wanted;
};
using Place = std::variant<DurationAt, CountAt, FlagAt, PathAt, TextAt, ChoiceAt>;

// Which way a policy value is tightened; past the profile's own value is weaker, and for development only.
enum class Tighter : std::uint8_t { free, down, up };

struct ConfigKey {
  std::string_view path;
  Place place;
  Tighter tighter = Tighter::free;
  bool required = false;
};
std::span<const ConfigKey> config_keys();

// A value's size, to be compared with the profile's own; of a text 0.
std::int64_t measure(const Place& place, Config& config);

}  // namespace sigillo::appliance
