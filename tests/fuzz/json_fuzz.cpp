// The JSON gate under arbitrary bytes. What it accepts, Boost.JSON's own parser must accept too, as the same
// value: the gate may be stricter than a JSON parser, never different.
#include <cstdint>
#include <cstdlib>

#include <boost/json/parse.hpp>

#include "json_gate.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace api = sigillo::api;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  api::WipingArena arena;
  const auto parsed = api::parse_json(body, arena);
  if (const auto* const value = std::get_if<boost::json::value>(&parsed)) {
    boost::json::error_code ec;
    const auto again = boost::json::parse({body.data(), body.size()}, ec);
    if (ec || again != *value) std::abort();
  }
  return 0;
}
