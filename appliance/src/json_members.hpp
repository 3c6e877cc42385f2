// Members: a JSON document of ours read strictly: whatever is missing or of another kind makes the whole bad,
// which is asked once, at the end. Thread rule: one owner; the document outlives it.
#pragma once

#include <boost/json.hpp>

#include <string>
#include <string_view>

#include <appliance/key_register.hpp>
#include <base/bytes.hpp>

namespace sigillo::appliance {

inline constexpr const char* kKeyTypes[] = {"hmac-sha256", "ec-p256", "ec-p384"};
inline const char* type_name(hsm::KeyType type) {
  return kKeyTypes[static_cast<std::size_t>(type)];
}

// Null where it is no JSON.
boost::json::value parsed_json(std::string_view text);

class Members {
 public:
  explicit Members(const boost::json::value& value) : object_(value.if_object()), good_(object_ != nullptr) {}

  std::string text(const char* name);
  base::Bytes bytes(const char* name);  // base64url
  base::Bytes hex(const char* name);
  std::uint64_t number(const char* name, std::uint64_t most);
  hsm::KeyType type();
  KeyState state();
  boost::json::array list(const char* name);
  const boost::json::value& member(const char* name);  // null where there is none
  void require(bool held) { good_ = good_ && held; }
  bool good() const { return good_; }

 private:
  const boost::json::value* find(const char* name) const {
    return good_ ? object_->if_contains(name) : nullptr;
  }
  const boost::json::object* object_;
  bool good_;
};

}  // namespace sigillo::appliance
