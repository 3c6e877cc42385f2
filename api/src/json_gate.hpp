// The JSON gate: one strict pass over a request body (RFC 8259, I-JSON's rules of RFC 7493 on duplicates and
// UTF-8) that gives a value or the place and reason of the first fault. Boost.JSON's own parser keeps the
// last of duplicate members silently, so that two readers of one body can see two requests; here a duplicate
// is a fault. WipingArena is where the value lives: a body holds PINs, so what was parsed is overwritten when
// the arena goes. Thread rule: one arena, one thread.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include <boost/json/memory_resource.hpp>
#include <boost/json/value.hpp>

namespace sigillo::api {

namespace json = boost::json;

class WipingArena final : public json::memory_resource {
 public:
  WipingArena() = default;
  WipingArena(const WipingArena&) = delete;
  WipingArena& operator=(const WipingArena&) = delete;
  ~WipingArena() override;

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* place, std::size_t bytes, std::size_t alignment) override;
  bool do_is_equal(const json::memory_resource& other) const noexcept override { return this == &other; }

  std::size_t used_ = 0;
  alignas(std::max_align_t)
      std::array<unsigned char, 12 * 1024> block_;  // past it: the heap, wiped at deallocation
};

struct JsonFault {
  std::string pointer;  // RFC 6901
  std::string_view reason;
};

inline constexpr std::size_t kDepthMax = 16;
inline constexpr std::size_t kMembersMax = 64;  // in one object; the widest of the contract has a dozen
inline constexpr std::size_t kKeyMax = 64;      // bytes of a member's name

// The arena outlives the value.
std::variant<json::value, JsonFault> parse_json(std::string_view body, WipingArena& arena);

void append_pointer(std::string& pointer, std::string_view token);  // "/" and the token, ~ and / escaped

}  // namespace sigillo::api
