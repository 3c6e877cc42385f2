// The catalogue of ledger events and outcomes: stable numbers, stable names. An export and an auditor's page
// speak in these names. Never renumbered, never reused; below 100 are the store's own. Thread rule:
// constants.
#pragma once

#include <cstdint>
#include <string_view>

namespace sigillo::appliance {

enum class EventKind : std::uint16_t {
  store_change = 1,     // records changed by housekeeping
  store_fold = 2,       // the guard table was folded
  charge = 100,         // a guess was paid for; `reference` says at which endpoint
  settle = 101,         // it was evaluated; `attempt` names the charge
  not_evaluated = 102,  // it was not, and the count is put back
  refused = 103,        // delayed, locked, or a link that is not there: nothing was evaluated or charged
  denied = 104,         // a rule refused the request
  requested = 110,
  half_remade = 111,
  activated = 112,
  renewed = 113,
  conversion_opened = 120,
  evidence_registered = 121,
  conversion_decided = 122,
  authorized = 123,
  authorization_turned = 124,
  recovery_opened = 130,
  recovered = 131,
  revocation_opened = 132,
  revoked = 133,
  blocked = 134,
  contacts_changed = 135,
  status_read = 136,
  substituted = 137,
  count_ended = 138,  // a counter was set to zero by a rule; the event carries it
  locked = 139,
  delivery_acknowledged = 140,
  delivery_given_up = 141,  // expired, or failed when its last lease ended; `reference` is the delivery
  ledger_read = 150,
  ledger_checkpoint = 151,
  shared_contact = 160,  // an alarm: one contact, many subjects
  existence_told = 161,  // an alarm: a 409 told a portal that a credential exists
  spray = 162,           // an alarm, about no one subject; `reference` is "MISSES:RIGHT" of the window
  channel_enrolled = 170,
  erased = 171,             // a subject's records; `reference` is the SHA-256 of the reason
  channel_suspended = 172,  // `reference` is the channel
  channel_resumed = 173,
  channel_revoked = 174,
  channel_renewed = 175,  // `reference` is the channel and its new certificate key
  started = 180,
  stopped = 181,
  hsm_away = 182,
  hsm_back = 183,
  sealed = 184,           // `reference` says why
  unsealed = 185,         // `reference` says how
  policy_accepted = 186,  // `reference` is the digest of the policy; by two officers where it was loosened
  policy_tightened = 187,
  unclean_stops_accepted = 188,
  unclean_stop = 189,      // the run before had no end; `reference` says how many are counted
  act = 190,               // what officers signed is about to be carried out; `reference` is its digest
  act_signed = 191,        // by `operator`; `reference` is the signature
  act_ended = 192,         // approved, failed or interrupted; `reference` is its digest
  officer_enrolled = 193,  // `operator` is the officer, `reference` the key
  officer_suspended = 194,
  officer_revoked = 195,
  officer_resumed = 196,
  key_rotated = 200,    // `reference` names the old key, the new one and its check value
  key_destroyed = 201,  // `reference` is the key
  // The store was put back to after entry `attempt`; `reference` is "SEQ:HASH:WHO": the head that the HSM had
  // until then ("0:" and zeros: it had none), and who is locked until re-issue, "all" or how many.
  restored = 220,
  reissue_marked = 221,  // locked until a new credential: was active in what the restore has lost
  count_restored = 222,  // a counter has the value that the lost ledger gave it
  ledger_pruned = 230,   // up to and with entry `attempt`, whose hash is `reference`
  backed_up = 240,       // up to and with entry `attempt`; `reference` is the manifest's digest
};

enum class EventOutcome : std::uint16_t {
  none = 0,
  verified = 1,
  rejected = 2,
  delayed = 3,
  locked = 4,
  expired = 5,
  refused = 6,
  granted = 7,
  deferred = 8,
  voided = 9,
  approved = 10,
  delivered = 11,
  failed = 12,
  outage = 13,
  not_eligible = 14,
  interrupted = 15,  // of an act: `reference` says what was found of it
};

std::string_view event_name(std::uint16_t kind);  // "charge"; "unknown" for a number not in the catalogue
std::string_view outcome_name(std::uint16_t outcome);

}  // namespace sigillo::appliance
