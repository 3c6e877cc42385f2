// Input and Fields: the reader layer between a parsed body and a typed request. A parse function takes the
// members it knows; what it did not take is a fault, so that an unknown member and one that the role may not
// give are refused alike. Two kinds of fault are kept apart, because the contract checks them at different
// moments: of structure (400, before the Idempotency-Key) and of value (422, after it). Of each kind the
// first one counts. A PIN or a token goes from the arena straight into its Secret. Thread rule: one request,
// one thread.
#pragma once

#include <array>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include <api/problem.hpp>
#include <appliance/channel.hpp>
#include <appliance/operations.hpp>

#include "json_gate.hpp"

namespace sigillo::api {

struct Faults {
  std::optional<Problem> structure, value;

  void add_structure(std::string pointer, std::string_view reason);
  void add_value(Code code, std::string pointer);
  bool none() const { return !structure && !value; }
};

enum class Presence : std::uint8_t { required, optional };
using enum Presence;

class Fields {
 public:
  // No object: every member is absent, and none is missed (its absence is a fault already, or allowed).
  Fields(const json::object* object, std::string pointer, Faults& faults)
      : object_(object), pointer_(std::move(pointer)), faults_(faults) {}

  bool given() const { return object_ != nullptr; }
  bool has(std::string_view member) const {
    return object_ != nullptr && object_->contains({member.data(), member.size()});
  }
  std::string at(std::string_view member) const;  // its pointer

  // Plain members. Text: 1 to `characters_max` characters of UTF-8 without controls.
  std::optional<std::string_view> raw_text(std::string_view member, Presence presence);
  std::optional<std::string> text(std::string_view member, Presence presence, std::size_t characters_max);
  // The words of another system, as they come: none where they are empty, a blank for each control.
  std::optional<std::string> remark(std::string_view member, std::size_t characters_max);
  std::optional<bool> flag(std::string_view member);
  std::optional<std::uint32_t> number(std::string_view member, std::uint32_t min, std::uint32_t max);
  std::optional<std::string_view> one_of(std::string_view member, Presence presence,
                                         std::initializer_list<std::string_view> words);
  Fields object(std::string_view member, Presence presence);
  const json::array* array(std::string_view member);

  // Members with a meaning of their own.
  std::optional<appliance::Subject> subject(std::string_view member, Presence presence = required);
  std::optional<appliance::Pin> pin();
  std::optional<std::string> operator_name(Presence presence);
  std::optional<std::string> reply_key();
  appliance::Contacts contacts(std::string_view member, Presence presence, bool links_only = false);
  std::optional<appliance::HealthCard> health_card(Presence presence);
  std::optional<appliance::Evidence> evidence(Presence presence);
  // `route`, `form_sha256` and `document` of this object itself; with `complete` all of them and the digest
  // are required.
  std::optional<appliance::Evidence> evidence_members(bool complete);

  void close();  // what was not taken is a fault

  Faults& faults() { return faults_; }

 private:
  const json::value* take(std::string_view member, Presence presence);
  std::optional<appliance::PostalAddress> postal();

  const json::object* object_;
  std::string pointer_;
  Faults& faults_;
  std::array<std::string_view, 16> taken_{};
  std::size_t taken_count_ = 0;
};

struct Input {
  appliance::Role role;
  std::string_view id;     // of the path
  std::string_view query;  // after the `?`
  Fields& body;

  bool from(appliance::Role one) const { return role == one; }
  // Nothing is left over and nothing is wrong: what the parse function took is a request.
  bool good() {
    body.close();
    return body.faults().none();
  }
};

}  // namespace sigillo::api
