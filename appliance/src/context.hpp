// Context: everything an operation works with, put together once by the assembly, and the small helpers that
// every operation needs. No operation reaches for anything that is not here. Thread rule: immutable after
// construction but for what its members lock themselves.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include <appliance/config.hpp>
#include <appliance/guard.hpp>
#include <appliance/ledger_events.hpp>
#include <appliance/messages.hpp>
#include <appliance/records.hpp>
#include <appliance/service.hpp>
#include <hsm/dispatcher.hpp>

#include "channels.hpp"
#include "codec.hpp"
#include "figures.hpp"
#include "key_ring.hpp"
#include "reissue.hpp"
#include "subject_queue.hpp"
#include "verifier.hpp"

namespace sigillo::appliance {

struct Context {
  const Config& config;
  const base::Clock& clock;
  hsm::Dispatcher& dispatcher;
  sealed_store::Store& store;
  const KeyRing& ring;
  const Verifier& verifier;
  const Messages& messages;
  ChannelRegistry& channels;
  SubjectQueue& queue;
  std::function<void(base::Task<bool>)>
      background;  // work that no answer waits for; finished before the store closes
  std::shared_ptr<Figures> figures = std::make_shared<Figures>();  // shared with the store's witness
  Reissue reissue = {};

  KeySnapshot keys() const { return ring.snapshot(); }
  const Policy& policy() const { return config.policy; }

  // Never runs back: the later of the clock and the ledger's last entry.
  base::Instant now() const { return std::max(clock.now(), store.head().time); }

  base::Task<base::Result<SubjectIndex>> index_of(const Subject& subject) const;
  base::Task<base::Result<SubjectIndex>> index_of_contact(std::string_view contact) const;

  // What a subject's counter says, to whoever enforces it and to whoever only shows it.
  sealed_store::GuardValue count(const SubjectIndex& subject, guard::Counter counter,
                                 const SubjectRecord& record) const;
  // A subject without a record has the default one; opening takes the same work either way.
  base::Result<SubjectRecord> load_subject(const SubjectIndex& subject) const;
  template <class T>
  base::Result<std::optional<T>> load(Table table, const Id& id) const;
  template <class T>
  sealed_store::Put put(Table table, const Id& id, const T& record, Queue in = Queue::none,
                        base::Instant due = {}) const;
  // Of a conversion or an authorization: found again by whose it is, whatever became of the ledger's entries.
  template <class T>
  sealed_store::Put put_held(Table table, const Id& id, const T& record) const {
    return put(table, id, record, Queue::held, held_at(record.subject));
  }
};

template <class T>
base::Result<std::optional<T>> Context::load(Table table, const Id& id) const {
  const auto key = record_key(table, id);
  SIGILLO_TRY(const auto sealed, store.read(key));
  if (!sealed) return std::optional<T>();
  SIGILLO_TRY(const auto plain, keys()->sealer->open(key, *sealed));
  auto record = codec::decode<T>(plain.expose());
  if (!record) return base::Error(sealed_store::Errc::corrupt, "a sealed record does not decode");
  return record;
}

template <class T>
sealed_store::Put Context::put(Table table, const Id& id, const T& record, Queue in,
                               base::Instant due) const {
  const auto key = record_key(table, id);
  base::Bytes plain = codec::encode(record);
  auto sealed = keys()->sealer->seal(key, plain);
  base::wipe(plain);
  return {key, std::move(sealed), static_cast<std::uint8_t>(in), due};
}

// Of one record, page or list, while the store serves: whoever goes through many goes past it.
bool of_one_part(const base::Error& error);
// The 503 that an infrastructure error is.
Outage outage_of(const base::Error& error);

// An entry of the appliance's own, or with `channel` "officer".
sealed_store::Event own_event(EventKind kind, base::Instant now);
// That nobody's guesses made the counter what it is now.
sealed_store::Event count_ended(const sealed_store::GuardKey& key, const sealed_store::GuardValue& left,
                                base::Instant now);

}  // namespace sigillo::appliance
