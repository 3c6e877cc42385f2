#include "context.hpp"

namespace sigillo::appliance {
namespace {

base::Task<base::Result<SubjectIndex>> blind(const Context& context, std::string_view domain,
                                             std::string_view value) {
  auto message = base::Secret::concat({base::view(domain), base::view(value)});
  auto digest = co_await context.dispatcher.hmac(context.keys()->index, std::move(message));
  if (!digest) co_return digest.error();
  SubjectIndex index;
  std::copy_n(digest->begin(), index.size(), index.begin());
  co_return index;
}

}  // namespace

base::Task<base::Result<SubjectIndex>> Context::index_of(const Subject& subject) const {
  co_return co_await blind(*this, "sigillo/subject/v1:", subject.text());
}

base::Task<base::Result<SubjectIndex>> Context::index_of_contact(std::string_view contact) const {
  co_return co_await blind(*this, "sigillo/contact/v1:", contact);
}

base::Result<SubjectRecord> Context::load_subject(const SubjectIndex& subject) const {
  const auto key = record_key(Table::subject, subject);
  SIGILLO_TRY(const auto sealed, store.read(key));
  const auto now = keys();
  const auto plain = sealed ? now->sealer->open(key, *sealed)
                            : now->sealer->open(record_key(Table::subject, Id{}), now->dummy_record);
  if (!plain) return plain.error();
  auto record = codec::decode<SubjectRecord>(plain->expose());
  if (!record) return base::Error(sealed_store::Errc::corrupt, "a subject's record does not decode");
  if (!sealed) return SubjectRecord{};
  return std::move(*record);
}

sealed_store::GuardValue Context::count(const SubjectIndex& subject, guard::Counter counter,
                                        const SubjectRecord& record) const {
  const auto stored = store.guard({subject, static_cast<std::uint8_t>(counter)});
  return reissue.seen(counter, stored, record, guard::limits(counter, policy()));
}

bool of_one_part(const base::Error& error) {
  return error.is(sealed_store::Errc::stale) || error.is(sealed_store::Errc::corrupt);
}

Outage outage_of(const base::Error& error) {
  if (error.is(hsm::Errc::credential)) return Outage::sealed;
  if (error.is(hsm::QueueErrc::overdue) || error.is(hsm::QueueErrc::full)) return Outage::overloaded;
  if (error.number() / 100 == 2) return Outage::hsm_unavailable;
  if (error.is(sealed_store::Errc::not_witnessed)) return Outage::not_anchored;
  // What could not be written is a ledger entry first of all: no entry, no answer.
  if (error.is(sealed_store::Errc::unavailable)) return Outage::audit_unavailable;
  return Outage::store_unavailable;
}

sealed_store::Event own_event(EventKind kind, base::Instant now) {
  sealed_store::Event event;
  event.time = now;
  event.kind = static_cast<std::uint16_t>(kind);
  event.channel = "appliance";
  return event;
}

sealed_store::Event count_ended(const sealed_store::GuardKey& key, const sealed_store::GuardValue& left,
                                base::Instant now) {
  auto event = own_event(EventKind::count_ended, now);
  event.subject = key.subject;
  event.guard.emplace(key, left);
  return event;
}

}  // namespace sigillo::appliance
