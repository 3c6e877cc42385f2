// Verification, activation, renewal: a PIN is shown, and what follows from it being right.
#include "notices.hpp"
#include "ops.hpp"
#include "receipts.hpp"

namespace sigillo::appliance {
namespace {

// A definitive PIN that is none of those that must not come back: neither half, nor the PIN it replaces.
base::Task<base::Result<Pin>> draw_definitive(Session& session, const Pin& shown) {
  while (true) {
    auto random = co_await session.context().dispatcher.random(kRandomPerHalf);
    if (!random) co_return random.error();
    auto pin = Pin::from_random(*random);
    const bool same = base::constant_time_equal(pin.characters(), shown.first_half()) ||
                      base::constant_time_equal(pin.characters(), shown.second_half());
    if (!same) co_return std::move(pin);
  }
}

// What the caller is given: the PIN in clear, or sealed to the key that came with the request.
std::optional<std::variant<Pin, std::string>> hand_out(const Session& session, Pin pin,
                                                       const std::optional<std::string>& reply_key,
                                                       const std::string& hint, base::Instant expires) {
  if (!reply_key) return pin;
  Channel citizen;
  citizen.delivery_jwk = *reply_key;
  const auto shown = pin.shown();
  const Parcel parcel{MessageKind::definitive,
                      {Medium::counter, {}, std::nullopt},
                      {},
                      hint,
                      &shown,
                      {},
                      expires,
                      std::nullopt};
  auto handed = hand_over(session.context(), citizen, parcel, session.now());
  if (std::holds_alternative<Refusal>(handed)) return std::nullopt;
  return std::move(std::get<Handed>(handed).sealed);
}

// Activation and renewal from the accepted PIN on: both give a definitive PIN, once.
struct Exchange {
  EventKind kind;
  SubjectRecord (*change)(SubjectRecord, const PinVerifier&, const Policy&, base::Instant);
  std::uint32_t generation;  // of the new verifier
  std::optional<NoticeEvent> notice;
};
base::Task<Reply> exchange(Session& session, Loaded& loaded, Session::Accepted accepted, Exchange how,
                           const Pin& shown, const std::optional<std::string>& reply_key, std::string hint) {
  auto pin = co_await draw_definitive(session, shown);
  if (!pin) {
    const auto cause = pin.error();
    co_return co_await session.settle_outage(std::move(accepted), cause);
  }
  auto verifier = co_await session.context().verifier.make(SecretRole::definitive, loaded.index,
                                                           how.generation, pin->characters());
  if (!verifier) {
    const auto cause = verifier.error();
    co_return co_await session.settle_outage(std::move(accepted), cause);
  }
  const auto before = accepted.record.contacts;
  if (const auto* used = std::get_if<Provisional>(&accepted.record.state)) {
    // Both halves were used: both addresses are the citizen's.
    for (const auto* half : {&used->first, &used->second})
      confirm_contact(accepted.record.contacts, (*half)->medium, (*half)->sent);
  }
  auto record = how.change(std::move(accepted.record), *verifier, session.policy(), session.now());
  Changes changes;
  const auto expires = std::get<Definitive>(record.state).expires;
  auto given = hand_out(session, std::move(*pin), reply_key, hint, expires);
  if (!given) std::abort();  // the reply key was validated at the door
  NewPin answer{to_text(record.credential), record.level, expires, std::move(*given)};
  changes.events.push_back(
      session.event(how.kind, loaded.index, EventOutcome::verified, answer.credential_id));
  changes.puts.push_back(put_subject(session.context(), loaded.index, record));
  if (how.notice)
    add_notices(session.context(), changes, before, loaded.index, hint, *how.notice, session.now());
  Answer done(std::move(answer));
  co_return co_await session.settle(std::move(accepted.attempt), GuardValue{}, EventOutcome::verified,
                                    std::move(changes), std::move(done), true);
}

// After a rotation of the verifier key, the moment of a right PIN is the only one at which its verifier can
// be made anew. Where that fails the old one stays, which is as good. True where the record changed.
base::Task<bool> freshen(Session& session, const SubjectIndex& index, SubjectRecord& record,
                         Presented presented, const Pin& pin) {
  struct Shown {
    SecretRole role;
    PinVerifier* stored;
    base::ByteView secret;
  };
  std::vector<Shown> shown;
  if (auto* definitive = std::get_if<Definitive>(&record.state); definitive != nullptr) {
    shown.push_back({SecretRole::definitive, &definitive->verifier, pin.characters()});
  } else {
    auto& provisional = std::get<Provisional>(record.state);
    shown.push_back({SecretRole::first_half, &provisional.first->verifier, pin.first_half()});
    if (presented == Presented::provisional)
      shown.push_back({SecretRole::second_half, &provisional.second->verifier, pin.second_half()});
  }
  const auto& verifier = session.context().verifier;
  bool changed = false;
  for (const auto& [role, stored, secret] : shown) {
    if (!verifier.outdated(*stored)) continue;
    auto made = co_await verifier.make(role, index, record.generation, secret);
    if (!made) continue;
    *stored = *made;
    changed = true;
  }
  co_return changed;
}

}  // namespace

base::Task<Reply> run(Session& session, const Verify& request) {
  auto loaded = co_await load(session, request.subject);
  if (auto* reply = std::get_if<Reply>(&loaded)) co_return std::move(*reply);
  auto& [index, turn, record] = std::get<Loaded>(loaded);
  auto shown =
      co_await session.attempt(index, std::move(record), lifecycle::Use::verify, "verify", request.pin);
  if (auto* reply = std::get_if<Reply>(&shown)) co_return std::move(*reply);
  auto& accepted = std::get<Session::Accepted>(shown);
  auto& credential = accepted.record;

  const auto presented = accepted.decision.presented;
  Verified verified{to_text(credential.credential),
                    state_of(credential, session.now()),
                    credential.level,
                    presented,
                    lifecycle::scopes(presented, credential.level),
                    presented == Presented::provisional,
                    {},
                    std::nullopt};
  const auto* definitive = std::get_if<Definitive>(&credential.state);
  verified.expires_at =
      definitive != nullptr ? definitive->expires : std::get<Provisional>(credential.state).expires;
  if (request.receipt) {
    ReceiptClaims claims{.audience = channel_uri(session.role(), session.channel().name),
                         .jti = random_id(),
                         .issued = session.now(),
                         .level = credential.level,
                         .presented = presented,
                         .scopes = verified.scopes,
                         .seq = accepted.attempt.seq()};
    auto who = co_await pseudonym(session.context(), session.channel().label(), index);
    if (!who) {
      const auto cause = who.error();
      co_return co_await session.settle_outage(std::move(accepted), cause);
    }
    claims.pseudonym = *who;
    auto receipt = co_await sign_receipt(session.context(), std::move(claims));
    if (!receipt) {
      const auto cause = receipt.error();
      co_return co_await session.settle_outage(std::move(accepted), cause);
    }
    verified.receipt = std::move(*receipt);
  }

  // A half that was used confirms the contact it went to: the first time it is used, and only then, the
  // record changes.
  bool confirmed = false;
  if (const auto* provisional = std::get_if<Provisional>(&credential.state);
      provisional != nullptr && !provisional->counter) {
    const auto confirm = [&](const ProvisionalHalf& half) {
      return confirm_contact(credential.contacts, half.medium, half.sent);
    };
    if (presented != Presented::definitive) confirmed = confirm(*provisional->first);
    if (presented == Presented::provisional) confirmed |= confirm(*provisional->second);
  }
  const bool fresh = co_await freshen(session, index, credential, presented, request.pin);
  const bool changed = confirmed || fresh;
  Changes changes{.witnessed = changed};
  if (changed) changes.puts.push_back(put_subject(session.context(), index, credential));
  const GuardValue count = accepted.decision.clears_count ? GuardValue{} : accepted.attempt.before();
  Answer answer(std::move(verified));
  co_return co_await session.settle(std::move(accepted.attempt), count, EventOutcome::verified,
                                    std::move(changes), std::move(answer));
}

base::Task<Reply> run(Session& session, const Activate& request) {
  auto loaded = co_await load(session, request.subject);
  if (auto* reply = std::get_if<Reply>(&loaded)) co_return std::move(*reply);
  auto& subject = std::get<Loaded>(loaded);
  const auto generation = subject.record.generation;
  auto shown = co_await session.attempt(subject.index, std::move(subject.record), lifecycle::Use::activate,
                                        "activate", request.pin);
  if (auto* reply = std::get_if<Reply>(&shown)) co_return std::move(*reply);
  const Exchange how{EventKind::activated, lifecycle::activate, generation, NoticeEvent::activated};
  co_return co_await exchange(session, subject, std::get<Session::Accepted>(std::move(shown)), how,
                              request.pin, request.reply_key, request.subject.hint());
}

base::Task<Reply> run(Session& session, const Renew& request) {
  auto loaded = co_await load(session, request.subject);
  if (auto* reply = std::get_if<Reply>(&loaded)) co_return std::move(*reply);
  auto& subject = std::get<Loaded>(loaded);
  const auto generation = subject.record.generation + 1;
  auto shown = co_await session.attempt(subject.index, std::move(subject.record), lifecycle::Use::renew,
                                        "renew", request.pin);
  if (auto* reply = std::get_if<Reply>(&shown)) co_return std::move(*reply);
  const Exchange how{EventKind::renewed, lifecycle::renew, generation, std::nullopt};
  co_return co_await exchange(session, subject, std::get<Session::Accepted>(std::move(shown)), how,
                              request.pin, request.reply_key, request.subject.hint());
}

}  // namespace sigillo::appliance
