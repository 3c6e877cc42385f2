#include "input.hpp"

#include <algorithm>

#include <base/bytes.hpp>

namespace sigillo::api {
namespace {

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

std::size_t characters(std::string_view utf8) {  // the JSON gate vouches for the encoding
  return static_cast<std::size_t>(
      std::ranges::count_if(utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

void Faults::add_structure(std::string pointer, std::string_view reason) {
  if (!structure)
    structure = Problem{.code = Code::invalid_request, .pointer = std::move(pointer), .detail = reason};
}

void Faults::add_value(Code code, std::string pointer) {
  if (!value) value = Problem{.code = code, .pointer = std::move(pointer)};
}

std::string Fields::at(std::string_view member) const {
  std::string out = pointer_;
  append_pointer(out, member);
  return out;
}

const json::value* Fields::take(std::string_view member, Presence presence) {
  if (object_ == nullptr) return nullptr;
  if (taken_count_ < taken_.size()) taken_[taken_count_++] = member;
  const auto* const found = object_->if_contains({member.data(), member.size()});
  if (found == nullptr && presence == required) faults_.add_structure(at(member), "The member is required.");
  return found;
}

void Fields::close() {
  if (object_ == nullptr) return;
  const auto end = taken_.begin() + static_cast<std::ptrdiff_t>(taken_count_);
  for (const auto& [key, value] : *object_) {
    const std::string_view member(key.data(), key.size());
    if (std::find(taken_.begin(), end, member) == end) {
      faults_.add_structure(at(member), "The member is not known here, or not for this role.");
    }
  }
}

std::optional<std::string_view> Fields::raw_text(std::string_view member, Presence presence) {
  const auto* const found = take(member, presence);
  if (found == nullptr) return {};
  if (const auto* const text = found->if_string()) return std::string_view(text->data(), text->size());
  faults_.add_structure(at(member), "This has to be a string.");
  return {};
}

std::optional<std::string> Fields::text(std::string_view member, Presence presence,
                                        std::size_t characters_max) {
  const auto raw = raw_text(member, presence);
  if (!raw) return {};
  if (raw->empty() || characters(*raw) > characters_max || std::ranges::any_of(*raw, is_control)) {
    faults_.add_structure(at(member), "The text is empty, too long, or holds control characters.");
    return {};
  }
  return std::string(*raw);
}

std::optional<std::string> Fields::remark(std::string_view member, std::size_t characters_max) {
  const auto raw = raw_text(member, optional);
  if (!raw || raw->empty()) return {};
  if (characters(*raw) > characters_max) faults_.add_structure(at(member), "The text is too long.");
  std::string out(*raw);
  std::ranges::replace_if(out, is_control, ' ');
  return out;
}

std::optional<bool> Fields::flag(std::string_view member) {
  const auto* const found = take(member, optional);
  if (found == nullptr) return {};
  if (const auto* const value = found->if_bool()) return *value;
  faults_.add_structure(at(member), "This has to be true or false.");
  return {};
}

std::optional<std::uint32_t> Fields::number(std::string_view member, std::uint32_t min, std::uint32_t max) {
  const auto* const found = take(member, required);
  if (found == nullptr) return {};
  const auto* const value = found->if_int64();
  if (value != nullptr && *value >= min && *value <= max) return static_cast<std::uint32_t>(*value);
  faults_.add_structure(at(member), "This has to be a whole number within its limits.");
  return {};
}

std::optional<std::string_view> Fields::one_of(std::string_view member, Presence presence,
                                               std::initializer_list<std::string_view> words) {
  const auto raw = raw_text(member, presence);
  if (!raw) return {};
  const auto* const found = std::find(words.begin(), words.end(), *raw);
  if (found != words.end()) return *found;
  faults_.add_structure(at(member), "This is none of the words that may stand here.");
  return {};
}

Fields Fields::object(std::string_view member, Presence presence) {
  const auto* const found = take(member, presence);
  const json::object* inner = found == nullptr ? nullptr : found->if_object();
  if (found != nullptr && inner == nullptr) faults_.add_structure(at(member), "This has to be an object.");
  return Fields(inner, at(member), faults_);
}

const json::array* Fields::array(std::string_view member) {
  const auto* const found = take(member, required);
  if (found == nullptr) return nullptr;
  if (const auto* const inner = found->if_array()) return inner;
  faults_.add_structure(at(member), "This has to be an array.");
  return nullptr;
}

}  // namespace sigillo::api
