#include <appliance/ledger_events.hpp>

#include <array>
#include <utility>

namespace sigillo::appliance {
namespace {

constexpr auto kEvents = std::to_array<std::pair<EventKind, std::string_view>>({
    {EventKind::store_change, "store-change"},
    {EventKind::store_fold, "store-fold"},
    {EventKind::charge, "charge"},
    {EventKind::settle, "settle"},
    {EventKind::not_evaluated, "not-evaluated"},
    {EventKind::refused, "refused"},
    {EventKind::denied, "denied"},
    {EventKind::requested, "requested"},
    {EventKind::half_remade, "half-remade"},
    {EventKind::activated, "activated"},
    {EventKind::renewed, "renewed"},
    {EventKind::conversion_opened, "conversion-opened"},
    {EventKind::evidence_registered, "evidence-registered"},
    {EventKind::conversion_decided, "conversion-decided"},
    {EventKind::authorized, "authorized"},
    {EventKind::authorization_turned, "authorization-turned"},
    {EventKind::recovery_opened, "recovery-opened"},
    {EventKind::recovered, "recovered"},
    {EventKind::revocation_opened, "revocation-opened"},
    {EventKind::revoked, "revoked"},
    {EventKind::blocked, "blocked"},
    {EventKind::contacts_changed, "contacts-changed"},
    {EventKind::status_read, "status-read"},
    {EventKind::substituted, "substituted"},
    {EventKind::count_ended, "count-ended"},
    {EventKind::locked, "locked"},
    {EventKind::delivery_acknowledged, "delivery-acknowledged"},
    {EventKind::delivery_given_up, "delivery-given-up"},
    {EventKind::ledger_read, "ledger-read"},
    {EventKind::ledger_checkpoint, "ledger-checkpoint"},
    {EventKind::shared_contact, "shared-contact"},
    {EventKind::existence_told, "existence-told"},
    {EventKind::spray, "spray"},
    {EventKind::channel_enrolled, "channel-enrolled"},
    {EventKind::erased, "erased"},
    {EventKind::channel_suspended, "channel-suspended"},
    {EventKind::channel_resumed, "channel-resumed"},
    {EventKind::channel_revoked, "channel-revoked"},
    {EventKind::channel_renewed, "channel-renewed"},
    {EventKind::key_rotated, "key-rotated"},
    {EventKind::key_destroyed, "key-destroyed"},
    {EventKind::started, "started"},
    {EventKind::stopped, "stopped"},
    {EventKind::hsm_away, "hsm-away"},
    {EventKind::hsm_back, "hsm-back"},
    {EventKind::sealed, "sealed"},
    {EventKind::unsealed, "unsealed"},
    {EventKind::policy_accepted, "policy-accepted"},
    {EventKind::policy_tightened, "policy-tightened"},
    {EventKind::unclean_stops_accepted, "unclean-stops-accepted"},
    {EventKind::unclean_stop, "unclean-stop"},
    {EventKind::act, "act"},
    {EventKind::act_signed, "act-signed"},
    {EventKind::act_ended, "act-ended"},
    {EventKind::officer_enrolled, "officer-enrolled"},
    {EventKind::officer_suspended, "officer-suspended"},
    {EventKind::officer_revoked, "officer-revoked"},
    {EventKind::officer_resumed, "officer-resumed"},
    {EventKind::restored, "restored"},
    {EventKind::reissue_marked, "reissue-marked"},
    {EventKind::count_restored, "count-restored"},
    {EventKind::ledger_pruned, "ledger-pruned"},
    {EventKind::backed_up, "backed-up"},
});

constexpr auto kOutcomes = std::to_array<std::string_view>(
    {"none", "verified", "rejected", "delayed", "locked", "expired", "refused", "granted", "deferred", "void",
     "approved", "delivered", "failed", "outage", "not-eligible", "interrupted"});

}  // namespace

std::string_view event_name(std::uint16_t kind) {
  for (const auto& [event, text] : kEvents) {
    if (static_cast<std::uint16_t>(event) == kind) return text;
  }
  return "unknown";
}

std::string_view outcome_name(std::uint16_t outcome) {
  return outcome < kOutcomes.size() ? kOutcomes[outcome] : std::string_view("unknown");
}

}  // namespace sigillo::appliance
