#include <appliance/acts_check.hpp>

#include <algorithm>

#include <appliance/ledger_events.hpp>
#include <base/ecdsa.hpp>

namespace sigillo::appliance {
namespace {

using Wrong = std::optional<std::string>;
using sealed_store::Event;

constexpr std::string_view kOfficer = "officer";
constexpr std::size_t kDigestHex = 64;
constexpr std::size_t kThumbprint = 43;

std::vector<std::string> split(const std::string& operators) {
  std::vector<std::string> out;
  for (std::size_t from = 0; from <= operators.size();) {
    const auto to = std::min(operators.find('+', from), operators.size());
    out.push_back(operators.substr(from, to - from));
    from = to + 1;
  }
  return out;
}

std::optional<OfficerStatus> status_after(EventKind kind) {
  if (kind == EventKind::officer_enrolled || kind == EventKind::officer_resumed) return OfficerStatus::active;
  if (kind == EventKind::officer_suspended) return OfficerStatus::suspended;
  if (kind == EventKind::officer_revoked) return OfficerStatus::revoked;
  return std::nullopt;
}

// What one officer may have done alone; all else takes two.
bool takes_one(EventKind kind) {
  return kind == EventKind::channel_suspended || kind == EventKind::unclean_stops_accepted ||
         kind == EventKind::act_ended;
}

bool holds(const base::EcPublicKey& key, const base::Digest& digest, base::ByteView signature) {
  return base::ecdsa_verify(key, digest, base::ecdsa_der(signature));
}

}  // namespace

// Attack: (1) write the store, with the ledger's key and every chain hash right, (2) enrol a friend by an
// entry, or have him sign. An officer comes only by the founding, which is before the first start, or by an
// act of officers who were there.
Wrong ActsCheck::take(const sealed_store::LedgerEntry& entry) {
  const auto& event = entry.event;
  const auto kind = static_cast<EventKind>(event.kind);
  if (kind == EventKind::act_signed) return signature(event);
  if (act_ && !act_->to_sign.empty()) return "The act lacks the signature of " + act_->to_sign.front() + '.';
  if (kind == EventKind::act) return begin_act(event);
  if (kind == EventKind::started) founded_ = true;
  if (kind == EventKind::act_ended && event.channel != kOfficer) {
    end_act(event);  // interrupted: the appliance says so
    return std::nullopt;
  }
  const bool theirs = event.channel == kOfficer && kind != EventKind::backed_up;  // which a timer makes
  if (!status_after(kind) && !theirs) return std::nullopt;
  if (from_first_ && !founded_) return officer(event);
  if (auto wrong = effect(event)) return wrong;
  return officer(event);
}

Wrong ActsCheck::end() const {
  if (act_ && !act_->to_sign.empty()) return "The act lacks the signature of " + act_->to_sign.front() + '.';
  return std::nullopt;
}

bool ActsCheck::has(std::string_view act_text) const {
  return digests_.contains(base::to_hex(act_digest(act_text)));
}

Wrong ActsCheck::begin_act(const Event& event) {
  if (event.reference.size() != kDigestHex || !base::from_hex(event.reference))
    return "An act has no digest.";
  if (!digests_.insert(event.reference).second) return "An act stands there a second time: it is good once.";
  act_ = OpenAct{event.reference, event.operator_name, split(event.operator_name)};
  return std::nullopt;
}

Wrong ActsCheck::signature(const Event& event) {
  const auto& name = event.operator_name;
  if (!act_) return "A signature of " + name + " belongs to no act.";
  const auto waiting = std::ranges::find(act_->to_sign, name);
  if (waiting == act_->to_sign.end()) return "The act was not signed by " + name + ", or not twice.";
  act_->to_sign.erase(waiting);
  ++act_->signed_by;
  if (auto wrong = verify(event)) return wrong;
  if (act_->to_sign.empty()) ++(act_->unchecked ? unchecked_ : held_);
  return std::nullopt;
}

Wrong ActsCheck::verify(const Event& event) {
  const auto& name = event.operator_name;
  const auto found = officers_.find(name);
  if (found == officers_.end() && from_first_) return name + " signed, and was never enrolled.";
  if (found != officers_.end() && found->second.status != OfficerStatus::active)
    return name + " signed, and was " + std::string(appliance::name(found->second.status)) + " then.";
  if (found == officers_.end() || !found->second.key) {
    act_->unchecked = true;
    return std::nullopt;
  }
  const auto raw = base::from_base64url(event.reference);
  const auto digest_bytes = base::from_hex(act_->digest);
  base::Digest digest;
  std::ranges::copy(*digest_bytes, digest.begin());
  if (raw && raw->size() == 2 * digest.size()) {
    if (holds(*found->second.key, digest, *raw)) return std::nullopt;
    for (const auto& [other, officer] : officers_) {
      if (officer.key && holds(*officer.key, digest, *raw))
        return "The signature of " + name + " is one of " + other + '.';
    }
  }
  return "The signature of " + name + " does not hold: it is forged, or the act was altered.";
}

// What officers did is inside an act of theirs, and of as many as it takes.
Wrong ActsCheck::effect(const Event& event) {
  const auto kind = static_cast<EventKind>(event.kind);
  const std::string what(event_name(event.kind));
  if (!act_)
    return from_first_ || !digests_.empty() ? Wrong(what + " is by no act of officers.") : std::nullopt;
  if (!status_after(kind) && event.operator_name != act_->operators)
    return what + " is not by those who signed the act.";
  if (!takes_one(kind) && act_->signed_by < kOfficersMin)
    return what + " takes two officers, and one signed.";
  if (kind == EventKind::act_ended) {
    if (event.reference != act_->digest) return "The end of an act is of another one.";
    end_act(event);
  }
  return std::nullopt;
}

Wrong ActsCheck::officer(const Event& event) {
  const auto kind = static_cast<EventKind>(event.kind);
  const auto status = status_after(kind);
  if (!status) return std::nullopt;
  const auto& name = event.operator_name;
  if (kind != EventKind::officer_enrolled) {
    officers_[name].status = *status;
    return std::nullopt;
  }
  if (officers_.contains(name)) return name + " was enrolled twice.";
  Officer enrolled;
  if (event.reference.size() != kThumbprint) {
    const auto point = base::from_base64url(event.reference);
    if (point) enrolled.key = base::EcPublicKey::from_point(*point);
    if (!enrolled.key) return "The key of " + name + " is none.";
  }
  officers_.emplace(name, std::move(enrolled));
  return std::nullopt;
}

void ActsCheck::end_act(const Event& event) {
  if (act_ && event.reference.starts_with(act_->digest)) act_.reset();
}

}  // namespace sigillo::appliance
