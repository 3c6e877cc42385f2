#include <gtest/gtest.h>

#include "json_gate.hpp"

namespace sigillo::api {
namespace {

struct Case {
  std::string body, pointer, reason;  // no reason: it is good
};

std::string nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}
std::string wide(std::size_t members) {
  std::string out = "{";
  for (std::size_t i = 0; i < members; ++i) out += (i ? ",\"m" : "\"m") + std::to_string(i) + "\":1";
  return out + "}";
}

TEST(JsonGate, NamesThePlaceAndTheReasonOfTheFirstFault) {
  const std::string duplicate = "The member stands here twice.", not_json = "This is not JSON in UTF-8.";
  const std::vector<Case> cases = {
      {R"({"a":1})", "", ""},
      {R"(  {"a":[true,null,"x"]}  )", "", ""},
      {R"({"a":1,"a":1})", "/a", duplicate},
      {R"({"a":1,"\u0061":2})", "/a", duplicate},
      {R"({"o":{"x/y":1,"x/y":2}})", "/o/x~1y", duplicate},
      {R"({"o":{"x~y":1,"x~y":2}})", "/o/x~0y", duplicate},
      {R"({"l":[{},{"k":1,"k":2}]})", "/l/1/k", duplicate},
      {R"({"a":{"k":1},"b":{"k":1}})", "", ""},
      {nested(16), "", ""},
      {nested(17), "/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0", "The nesting is over 16."},
      {R"({"a":1} x)", "", "Something follows the document."},
      {R"({"a":1}{})", "", "Something follows the document."},
      {R"({"a":)", "/a", "The document ends too early."},
      {"", "", "The document ends too early."},
      {"{\"a\":\"\xc3\x28\"}", "/a", not_json},
      {"{\"a\":\"\xed\xa0\x80\"}", "/a", not_json},  // a surrogate in UTF-8
      {"{\"a\":\"\xc0\xaf\"}", "/a", not_json},      // overlong
      {R"({"a":"\ud800"})", "/a", not_json},         // half a surrogate pair
      {"\xef\xbb\xbf{}", "", not_json},              // byte order mark
      {R"({"a":1e400})", "/a", "The number is too big."},
      {R"({"a":1,})", "/a", not_json},
      {R"({"a":'x'})", "/a", not_json},
      {R"({"a":/**/1})", "/a", not_json},
      {R"({"a":NaN})", "/a", not_json},
      {R"({"a":01})", "/a", not_json},
      {"{\"a\":\"x\ny\"}", "/a", not_json},
      {wide(64), "", ""},
      {wide(65), "/m63", "The object has too many members."},
      {"{\"" + std::string(65, 'k') + "\":1}", "", "The member's name is too long."},
  };
  for (const Case& one : cases) {
    WipingArena arena;
    const auto parsed = parse_json(one.body, arena);
    if (const auto* const fault = std::get_if<JsonFault>(&parsed)) {
      EXPECT_EQ(fault->reason, one.reason) << one.body;
      EXPECT_EQ(fault->pointer, one.pointer) << one.body;
    } else {
      EXPECT_EQ(one.reason, "") << one.body;
    }
  }
}

TEST(JsonGate, WhatWasParsedIsOverwrittenWhenTheArenaGoes) {
  alignas(WipingArena) unsigned char place[sizeof(WipingArena)];
  auto* const arena = new (place) WipingArena();
  {
    const auto parsed = parse_json(R"({"pin":"QQQQWWWWEEEERRRRTTTTYYYYUUUU"})", *arena);
    ASSERT_TRUE(std::holds_alternative<json::value>(parsed));
    const std::string_view all(reinterpret_cast<const char*>(place), sizeof place);
    ASSERT_NE(all.find("QQQQWWWW"), std::string_view::npos);
  }
  arena->~WipingArena();
  // Volatile: the compiler may not reason that a dead object has no contents.
  const volatile unsigned char* const bytes = place;
  std::string after;
  for (std::size_t i = 0; i < sizeof place; ++i) after += static_cast<char>(bytes[i]);
  EXPECT_EQ(after.find("QQQQ"), std::string::npos);
}

}  // namespace
}  // namespace sigillo::api
