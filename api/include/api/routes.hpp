// The route table: every operation of the contract as one row of data, in the contract's order. The server,
// the tests (each cell of role x operation) and the documentation all read it; there is no other place where
// a path or a role is written. Owner: static data. Thread rule: immutable.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <appliance/channel.hpp>
#include <appliance/operations.hpp>

namespace sigillo::api {

struct Input;  // a request's body, identifier and role, as the parse functions see it (src/input.hpp)

enum class Method : std::uint8_t { get, post };
std::string_view name(Method method);

enum class KeyRule : std::uint8_t {
  ignored,   // nothing is created: reads, leases, acknowledgements
  optional,  // verifications
  required
};

using RoleSet = std::uint16_t;
constexpr RoleSet bit(appliance::Role role) {
  return static_cast<RoleSet>(1U << static_cast<unsigned>(role));
}
inline constexpr RoleSet kAnyRole = 0x3fe;  // roles 1 to 9
inline constexpr std::uint8_t kRoleFirst = 1, kRoleLast = 9;

using Parse = std::optional<appliance::Request> (*)(Input&);

struct Route {
  Method method;
  std::string_view pattern;  // one segment may be `{id}`
  RoleSet roles;
  KeyRule key;
  Parse parse;               // none: the API answers it alone (whoami)
  bool text_answer = false;  // text/plain in place of JSON
  bool takes_query = false;

  bool permits(appliance::Role role) const { return (roles & bit(role)) != 0; }
};

std::span<const Route> routes();

struct Match {
  const Route* route = nullptr;  // none: the path is not known, or not with this method
  std::string_view id;           // of `{id}`: 1 to 64 of [A-Za-z0-9_-]
  std::string allow;             // methods of the path, where only the method is wrong; empty: unknown path
};
Match match(std::string_view method, std::string_view path);

bool is_identifier(std::string_view text);

std::string role_table();  // Markdown: what docs/ shows

}  // namespace sigillo::api
