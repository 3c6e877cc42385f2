#include "links.hpp"

namespace sigillo::appliance {
namespace {

constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kTokenCharacters = 43;

// What a link that is dead, or never was, gets. Ids are random: there is nothing to count; but a decision it
// is, so the ledger has it.
base::Task<Reply> nothing_there(Session& session, SubjectIndex subject, const std::optional<Id>& id) {
  Changes changes{.events = {session.event(EventKind::refused, subject, EventOutcome::rejected,
                                           id ? to_text(*id) : std::string())},
                  .witnessed = false};
  Answer nothing(Rejection{});
  co_return co_await session.commit(std::move(changes), std::move(nothing));
}

}  // namespace

base::Task<std::variant<Reply, Id>> send_link(Session& session, Changes& changes, LinkOrder order) {
  const auto& context = session.context();
  auto random = co_await context.dispatcher.random(kTokenBytes);
  if (!random) co_return Reply(outage_of(random.error()));
  const auto token = LinkToken::from_random(*random);
  const Id id = random_id();
  auto verifier = co_await context.verifier.make(SecretRole::token, id, 0, token.characters());
  if (!verifier) co_return Reply(outage_of(verifier.error()));
  const base::Instant sent = session.now();
  const base::Instant expires = sent + session.policy().recovery.link_validity;
  const LinkRecord link{order.subject, order.credential, order.recovery,    session.channel().label(),
                        order.hint,    order.to.medium,  *verifier,         false,
                        sent,          expires,          {order.registered}};
  const base::Secret text(token.characters());
  const Parcel parcel{order.recovery ? MessageKind::recovery_link : MessageKind::revocation_link,
                      std::move(order.to),
                      order.subject,
                      order.hint,
                      &text,
                      to_text(id),
                      expires,
                      std::nullopt};
  const auto posted = post(context, changes, parcel, session.now());
  if (const auto* refusal = std::get_if<Refusal>(&posted)) co_return co_await session.decline(*refusal);
  changes.puts.push_back(context.put(Table::link, id, link, Queue::link, expires));
  co_return id;
}

base::Task<std::variant<Reply, RightToken>> confirm_link(Session& session, bool recovery,
                                                         const std::string& link_id,
                                                         const std::optional<LinkToken>& token) {
  const auto& context = session.context();
  const auto id = parse_id(link_id);
  if (!id) co_return co_await nothing_there(session, {}, id);
  const auto found = context.load<LinkRecord>(Table::link, *id);
  if (!found) co_return Reply(Outage::store_unavailable);
  if (!*found || (*found)->recovery != recovery) co_return co_await nothing_there(session, {}, id);
  auto loaded = co_await load(session, (*found)->subject);
  if (auto* reply = std::get_if<Reply>(&loaded)) co_return std::move(*reply);
  auto& subject = std::get<Loaded>(loaded);
  auto link = context.load<LinkRecord>(Table::link, *id);  // as it stands under the turn
  if (!link) co_return Reply(Outage::store_unavailable);
  const auto& open = recovery ? subject.record.recovery : subject.record.revocation;
  const bool alive = *link && !(*link)->used && session.now() < (*link)->expires && open == *id &&
                     subject.record.credential == (*link)->credential &&
                     !session.lost_since((*link)->sent, subject.index, subject.record);
  if (!alive) co_return co_await nothing_there(session, subject.index, id);

  const auto where = session.link_gate(*id, recovery ? "recovery-token" : "revocation-token");
  const GuardValue count = context.store.guard(where.key);
  // The fifth wrong token killed it: a dead link and a link that never was answer alike.
  if (!guard::look(count, where.limits, session.now()).open())
    co_return co_await nothing_there(session, subject.index, id);
  auto charged = co_await session.charge(where);
  if (auto* refused = std::get_if<Reply>(&charged)) co_return std::move(*refused);
  const base::Secret shown = token ? base::Secret(token->characters()) : base::Secret(kTokenCharacters);
  auto evaluation =
      co_await context.verifier.secret(std::get<ChargedAttempt>(std::move(charged)), SecretRole::token, *id,
                                       token ? &(*link)->token : nullptr, shown);
  if (auto* failed = std::get_if<NotEvaluated>(&evaluation))
    co_return session.not_evaluated(std::move(*failed), where.endpoint);
  auto& evaluated = std::get<Evaluated>(evaluation);
  if (!evaluated.match)
    co_return co_await session.settle_rejected(std::move(evaluated.attempt), where.limits);
  co_return RightToken{*id, std::move(**link), std::move(evaluated.attempt), std::move(subject)};
}

void close_link(Session& session, Changes& changes, RightToken& link) {
  link.link.used = true;
  changes.puts.push_back(
      session.context().put(Table::link, link.id, link.link, Queue::link, link.link.expires));
  auto& record = link.subject.record;
  (link.link.recovery ? record.recovery : record.revocation).reset();
}

}  // namespace sigillo::appliance
