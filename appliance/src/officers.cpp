#include <appliance/officers.hpp>

#include <algorithm>

namespace sigillo::appliance {
namespace {

constexpr std::size_t kNameMax = 32;
constexpr base::Duration kClockTolerance = base::minutes(10);  // an officer's own machine may be ahead

ActCheck refuse(ActRefusal refusal, std::string about = {}) {
  return {refusal, std::move(about), {}, {}};
}

std::optional<ActRefusal> check_frame(const Act& act, const ActExpected& expected) {
  if (act.appliance != expected.appliance) return ActRefusal::other_appliance;
  if (act.action != expected.action) return ActRefusal::other_action;
  if (act.created > expected.now + kClockTolerance) return ActRefusal::not_yet;
  if (act.expires <= expected.now || act.expires > act.created + kActLife) return ActRefusal::expired;
  if (act.created < expected.restored) return ActRefusal::before_restore;
  return std::nullopt;
}

}  // namespace

std::string_view name(OfficerStatus status) {
  switch (status) {
    case OfficerStatus::active:
      return "active";
    case OfficerStatus::suspended:
      return "suspended";
    case OfficerStatus::revoked:
      return "revoked";
  }
  std::abort();
}

bool valid_officer_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

Id officer_id(std::string_view name) {
  const auto digest = base::sha256({base::view("sigillo/officer/v1:"), base::view(name)});
  Id id;
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

std::string key_thumbprint(const OfficerRecord& officer) {
  const auto key = base::EcPublicKey::from_point(officer.key);
  return key ? key->thumbprint() : std::string();
}

std::string key_text(const OfficerRecord& officer) {
  return base::to_base64url(officer.key);
}

const OfficerRecord* find_officer(const Officers& officers, std::string_view name) {
  const auto found = std::ranges::find(officers, name, &OfficerRecord::name);
  return found == officers.end() ? nullptr : &*found;
}

std::size_t active(const Officers& officers) {
  return static_cast<std::size_t>(
      std::ranges::count(officers, OfficerStatus::active, &OfficerRecord::status));
}

std::string_view sentence(ActRefusal refusal) {
  switch (refusal) {
    case ActRefusal::malformed:
      return "the act is not one that an officer's command wrote";
    case ActRefusal::other_appliance:
      return "the act is for another appliance";
    case ActRefusal::other_action:
      return "the act is for another action";
    case ActRefusal::not_yet:
      return "the act was made in the future: a clock is wrong";
    case ActRefusal::expired:
      return "the act has expired, or asks to live longer than 7 days";
    case ActRefusal::too_few_signatures:
      return "the act has too few signatures of officers";
    case ActRefusal::unknown_officer:
      return "it is signed by somebody who is not enrolled as an officer";
    case ActRefusal::inactive_officer:
      return "it is signed by an officer who is suspended or revoked";
    case ActRefusal::same_officer:
      return "it is signed by one officer twice";
    case ActRefusal::same_key:
      return "it is signed with one key under two names";
    case ActRefusal::bad_signature:
      return "a signature does not hold: the act was altered, or the key is not the enrolled one";
    case ActRefusal::replayed:
      return "the act was carried out before, and is good once";
    case ActRefusal::before_restore:
      return "the act was made before the store was restored, and may have been carried out by then";
  }
  std::abort();
}

// Attack: one officer who (1) signs twice, (2) signs under the other's name, (3) had his own key enrolled
// under a second name, (4) keeps yesterday's act of both for tomorrow, (5) brings one made for another
// appliance. Every signature that is there must hold: a bad one is not skipped, for nobody adds one by
// chance.
ActCheck check_act(const SignedAct& given, const Officers& officers, const ActExpected& expected) {
  auto act = parse_act(given.text);
  if (!act) return refuse(ActRefusal::malformed);
  if (const auto refusal = check_frame(*act, expected)) return refuse(*refusal);
  ActCheck out;
  std::vector<base::ByteArray<65>> keys;
  for (const auto& [officer_name, signature] : given.signatures) {
    const auto* officer = find_officer(officers, officer_name);
    if (officer == nullptr) return refuse(ActRefusal::unknown_officer, officer_name);
    if (officer->status != OfficerStatus::active) return refuse(ActRefusal::inactive_officer, officer_name);
    if (std::ranges::find(out.officers, officer_name) != out.officers.end())
      return refuse(ActRefusal::same_officer, officer_name);
    if (std::ranges::find(keys, officer->key) != keys.end())
      return refuse(ActRefusal::same_key, officer_name);
    const auto key = base::EcPublicKey::from_point(officer->key);
    if (!key || !act_signature_holds(given.text, *key, signature))
      return refuse(ActRefusal::bad_signature, officer_name);
    out.officers.push_back(officer_name);
    keys.push_back(officer->key);
  }
  if (out.officers.size() < expected.officers) return refuse(ActRefusal::too_few_signatures);
  out.act = std::move(*act);
  return out;
}

}  // namespace sigillo::appliance
