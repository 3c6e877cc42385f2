// Officers: who may sign acts, as enrolled in the store, and the check of an act against them. The last two
// who are active cannot be taken away, or nobody could ever act again. Thread rule: values and pure
// functions; the store's records are read and written by act_officers.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <appliance/act.hpp>
#include <appliance/records.hpp>

namespace sigillo::appliance {

enum class OfficerStatus : std::uint8_t { active = 1, suspended = 2, revoked = 3 };
std::string_view name(OfficerStatus status);

struct OfficerRecord {
  std::string name;  // 1 to 32 of [a-z0-9-]
  OfficerStatus status = OfficerStatus::active;
  base::ByteArray<65> key{};  // P-256, SEC 1 uncompressed
  base::Instant enrolled{};
  template <class V>
  void fields(V&& v) {
    v(name, status, key, enrolled);
  }
};
using Officers = std::vector<OfficerRecord>;

inline constexpr std::size_t kOfficersMin = 2;
bool valid_officer_name(std::string_view name);
Id officer_id(std::string_view name);
std::string key_thumbprint(const OfficerRecord& officer);
std::string key_text(const OfficerRecord& officer);  // the key itself, as the ledger has it: 87 characters
const OfficerRecord* find_officer(const Officers& officers, std::string_view name);
std::size_t active(const Officers& officers);

// What is wrong with an act, or nothing. In the order of asking; each has a sentence of its own.
enum class ActRefusal : std::uint8_t {
  malformed,
  other_appliance,
  other_action,
  not_yet,  // made in the future: a clock is wrong
  expired,
  too_few_signatures,
  unknown_officer,
  inactive_officer,
  same_officer,
  same_key,  // two names, one key: one person
  bad_signature,
  replayed,        // its nonce was used
  before_restore,  // its nonce may have been used in what a restore has lost
};
std::string_view sentence(ActRefusal refusal);

struct ActExpected {
  std::string appliance, action;
  std::size_t officers = 2;
  base::Instant now;
  base::Instant restored{};  // the last time
};
struct ActCheck {
  std::optional<ActRefusal> refusal;
  std::string about;  // the officer it is about, where it is about one
  Act act;            // where nothing is refused
  std::vector<std::string> officers;
};
ActCheck check_act(const SignedAct& act, const Officers& officers, const ActExpected& expected);

}  // namespace sigillo::appliance
