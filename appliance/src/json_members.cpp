#include "json_members.hpp"

namespace sigillo::appliance {

namespace json = boost::json;

json::value parsed_json(std::string_view text) {
  boost::system::error_code failed;
  auto value = json::parse(text, failed);
  return failed ? json::value() : value;
}

std::string Members::text(const char* name) {
  const auto* value = find(name);
  const auto* text = value != nullptr ? value->if_string() : nullptr;
  if (text == nullptr) good_ = false;
  return text != nullptr ? std::string(*text) : std::string();
}

base::Bytes Members::bytes(const char* name) {
  auto out = base::from_base64url(text(name));
  if (!out) good_ = false;
  return out ? std::move(*out) : base::Bytes();
}

base::Bytes Members::hex(const char* name) {
  auto out = base::from_hex(text(name));
  if (!out) good_ = false;
  return out ? std::move(*out) : base::Bytes();
}

std::uint64_t Members::number(const char* name, std::uint64_t most) {
  const auto* value = find(name);
  const auto* number = value != nullptr ? value->if_int64() : nullptr;
  if (number == nullptr || *number < 0 || static_cast<std::uint64_t>(*number) > most) {
    good_ = false;
    return 0;
  }
  return static_cast<std::uint64_t>(*number);
}

hsm::KeyType Members::type() {
  const auto said = text("type");
  for (std::size_t i = 0; i < std::size(kKeyTypes); ++i) {
    if (said == kKeyTypes[i]) return static_cast<hsm::KeyType>(i);
  }
  good_ = false;
  return hsm::KeyType::hmac_sha256;
}

KeyState Members::state() {
  const auto said = text("state");
  for (const auto state :
       {KeyState::created, KeyState::backed_up, KeyState::active, KeyState::retiring, KeyState::destroyed}) {
    if (said == name(state)) return state;
  }
  good_ = false;
  return KeyState::created;
}

json::array Members::list(const char* name) {
  const auto* value = find(name);
  const auto* list = value != nullptr ? value->if_array() : nullptr;
  if (list == nullptr) good_ = false;
  return list != nullptr ? *list : json::array();
}

const json::value& Members::member(const char* name) {
  static const json::value kNone;
  const auto* value = find(name);
  if (value == nullptr) good_ = false;
  return value != nullptr ? *value : kNone;
}

}  // namespace sigillo::appliance
