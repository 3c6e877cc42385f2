// Messages: the texts that citizens read (SMS, e-mail, PEC, letter, spoken, notices) in Italian, German and
// English, as templates an operator can change: a folder of files `<kind>.<medium>.<language>.txt` replaces
// the built-in ones. A template has named places: `{pin}` or `{link_token}` and `{reference}`, `{event}` (a
// notice), `{expires}`, `{delivery_id}`,
// `{subject_hint}`; there is no other use of braces. An e-mail's or PEC's first line is `Subject: ...`, then
// an empty line. An unknown place, a missing one that must be there, or a secret in a subject line (they are
// logged) is refused at start. No secret is ever rendered into ordinary memory. Thread rule: immutable after
// loading.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <appliance/contacts.hpp>
#include <appliance/policy.hpp>
#include <base/secret.hpp>

namespace sigillo::appliance {

enum class MessageKind : std::uint8_t {
  first_half,
  second_half,
  whole,
  definitive,
  recovery_link,
  revocation_link,
  notice
};
std::string_view name(MessageKind kind);  // the contract's: "pin.first-half", ..., "link.recovery", "notice"

// What a notice is about.
enum class NoticeEvent : std::uint8_t {
  activated,
  locked,
  blocked,
  recovered,
  revocation_opened,
  revoked,
  converted,
  contacts_changed,
  branch_issued,
  substituted
};

struct MessageValues {
  const base::Secret* secret = nullptr;  // shown PIN or link token; nothing in a notice
  std::string delivery_id, subject_hint;
  std::string reference;  // recovery or revocation id
  base::Instant expires_at;
  std::optional<NoticeEvent> event;
};

class Messages {
 public:
  static Messages built_in();
  // Built-in texts overlaid with a folder's; an error sentence where a file is malformed.
  static std::variant<Messages, std::string> load(const std::string& folder);
  // Empty where that kind goes by no such medium. A definitive PIN is only ever shown: to whoever stands at
  // the counter, of the branch or his own.
  base::Secret render(MessageKind kind, Medium medium, Language language, const MessageValues& values) const;

 private:
  std::map<std::string, std::string> texts_;
};

}  // namespace sigillo::appliance
