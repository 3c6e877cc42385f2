// The one operation whose input is a query: GET /v1/ledger?after=SEQ&limit=N.
#include <charconv>

#include "input.hpp"
#include "requests.hpp"

namespace sigillo::api {
namespace {

template <class Int>
bool read_number(std::string_view text, Int& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Parsed parse_read_ledger(Input& in) {
  appliance::ReadLedger out;
  bool after_given = false, limit_given = false, good = true;
  std::string_view rest = in.query;
  while (!rest.empty() && good) {
    const auto end = rest.find('&');
    const auto pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    const auto equals = pair.find('=');
    const auto name = pair.substr(0, equals);
    const auto value = equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    if (name == "after")
      good = !std::exchange(after_given, true) && read_number(value, out.after);
    else if (name == "limit")
      good = !std::exchange(limit_given, true) && read_number(value, out.limit) && out.limit >= 1;
    else
      good = false;
  }
  if (!good || out.limit > 1000) {
    in.body.faults().structure =
        Problem{.code = Code::invalid_request,
                .pointer = {},
                .detail = "The query has `after` (a number) and `limit` (1 to 1000)."};
    return {};
  }
  return out;
}

}  // namespace sigillo::api
