#include "json_gate.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>

#include <algorithm>
#include <cmath>
#include <new>
#include <vector>

#include <base/secret.hpp>

namespace sigillo::api {
namespace {

// Follows the parser through the document: builds the value, knows the place, refuses what the contract
// refuses.
class Handler {
 public:
  static constexpr std::size_t max_object_size = kMembersMax;
  static constexpr std::size_t max_array_size = 1024;
  static constexpr std::size_t max_key_size = kKeyMax;
  static constexpr std::size_t max_string_size = 16 * 1024;
  using error_code = json::error_code;
  using string_view = json::string_view;

  explicit Handler(json::storage_ptr storage) : stack_(storage) { stack_.reset(std::move(storage)); }

  json::value release() { return stack_.release(); }
  std::string_view reason() const { return reason_; }
  std::string pointer() const {
    std::string out;
    for (const Level& level : levels_) {
      if (level.array)
        append_pointer(out, std::to_string(level.elements));
      else if (!level.keys.empty())
        append_pointer(out, level.keys.back());
    }
    return out;
  }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) {
    levels_.push_back({.array = false});
    return true;
  }
  bool on_object_end(std::size_t members, error_code&) {
    stack_.push_object(members);
    levels_.pop_back();
    return ended();
  }
  bool on_array_begin(error_code&) {
    levels_.push_back({.array = true});
    return true;
  }
  bool on_array_end(std::size_t elements, error_code&) {
    stack_.push_array(elements);
    levels_.pop_back();
    return ended();
  }
  bool on_key_part(string_view part, std::size_t, error_code&) {
    key_.append(part.data(), part.size());
    stack_.push_chars(part);
    return true;
  }
  bool on_key(string_view part, std::size_t, error_code& ec) {
    key_.append(part.data(), part.size());
    stack_.push_key(part);
    auto& keys = levels_.back().keys;
    const bool again = std::ranges::find(keys, key_) != keys.end();
    keys.push_back(std::exchange(key_, {}));
    return again ? refuse(ec, "The member stands here twice.") : true;
  }
  bool on_string_part(string_view part, std::size_t, error_code&) {
    stack_.push_chars(part);
    return true;
  }
  bool on_string(string_view part, std::size_t, error_code&) {
    stack_.push_string(part);
    return ended();
  }
  bool on_number_part(string_view, error_code&) { return true; }
  bool on_int64(std::int64_t number, string_view, error_code&) {
    stack_.push_int64(number);
    return ended();
  }
  bool on_uint64(std::uint64_t number, string_view, error_code&) {
    stack_.push_uint64(number);
    return ended();
  }
  bool on_double(double number, string_view, error_code& ec) {
    if (!std::isfinite(number)) return refuse(ec, "The number is too big.");
    stack_.push_double(number);
    return ended();
  }
  bool on_bool(bool value, error_code&) {
    stack_.push_bool(value);
    return ended();
  }
  bool on_null(error_code&) {
    stack_.push_null();
    return ended();
  }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }

 private:
  struct Level {
    bool array = false;
    std::size_t elements = 0;
    std::vector<std::string> keys = {};
  };

  bool ended() {
    if (!levels_.empty() && levels_.back().array) ++levels_.back().elements;
    return true;
  }
  bool refuse(error_code& ec, std::string_view reason) {
    reason_ = reason;
    ec = json::error::syntax;
    return false;
  }

  json::value_stack stack_;
  std::vector<Level> levels_;
  std::string key_;
  std::string_view reason_;
};

std::string_view reason_of(const json::error_code& ec) {
  if (ec == json::error::too_deep) return "The nesting is over 16.";
  if (ec == json::error::extra_data) return "Something follows the document.";
  if (ec == json::error::object_too_large) return "The object has too many members.";
  if (ec == json::error::array_too_large) return "The array has too many elements.";
  if (ec == json::error::key_too_large) return "The member's name is too long.";
  if (ec == json::error::exponent_overflow || ec == json::error::not_exact) return "The number is too big.";
  if (ec == json::error::incomplete) return "The document ends too early.";
  return "This is not JSON in UTF-8.";
}

}  // namespace

WipingArena::~WipingArena() {
  base::wipe({block_.data(), used_});
}

void* WipingArena::do_allocate(std::size_t bytes, std::size_t alignment) {
  const std::size_t at = (used_ + alignment - 1) / alignment * alignment;
  if (at + bytes <= block_.size()) {
    used_ = at + bytes;
    return block_.data() + at;
  }
  return ::operator new(bytes, std::align_val_t(alignment));
}

void WipingArena::do_deallocate(void* place, std::size_t bytes, std::size_t alignment) {
  auto* const start = static_cast<unsigned char*>(place);
  if (start >= block_.data() && start < block_.data() + block_.size()) return;  // wiped whole, at the end
  base::wipe({start, bytes});
  ::operator delete(place, std::align_val_t(alignment));
}

void append_pointer(std::string& pointer, std::string_view token) {
  pointer += '/';
  for (const char c : token) {
    if (c == '~')
      pointer += "~0";
    else if (c == '/')
      pointer += "~1";
    else
      pointer += c;
  }
}

std::variant<json::value, JsonFault> parse_json(std::string_view body, WipingArena& arena) {
  json::parse_options options;
  options.max_depth = kDepthMax;
  json::basic_parser<Handler> parser(options, json::storage_ptr(&arena));
  json::error_code ec;
  const std::size_t used = parser.write_some(false, body.data(), body.size(), ec);
  if (!ec && used < body.size()) ec = json::error::extra_data;
  if (ec) {
    auto& handler = parser.handler();
    return JsonFault{ec == json::error::extra_data ? std::string() : handler.pointer(),
                     handler.reason().empty() ? reason_of(ec) : handler.reason()};
  }
  return parser.handler().release();
}

}  // namespace sigillo::api
