#include <appliance/assembly.hpp>

#include <base/log.hpp>

#include <algorithm>

#include <sealed_store/store_copy.hpp>

#include "open_act.hpp"
#include "parts.hpp"
#include "policy_floor.hpp"
#include "token_opening.hpp"

namespace sigillo::appliance {
namespace {

using sealed_store::StoreKeys;
using sealed_store::StoreOptions;

base::Result<std::vector<Channel>> load_channels(const Context& context) {
  SIGILLO_TRY(const auto listed, context.store.members(static_cast<std::uint8_t>(Queue::channel)));
  std::vector<Channel> channels;
  for (const auto& item : listed) {
    SIGILLO_TRY(const auto record, context.load<ChannelRecord>(Table::channel, item.key.id));
    if (!record) continue;
    auto channel = from_record(*record);
    if (!channel) return base::Error(Errc::channel, "a channel's record is of another shape");
    channels.push_back(std::move(*channel));
  }
  SIGILLO_CHECK(check_channels(channels));
  return channels;
}

// Short ones, and what hangs on each: who may act, what was signed already, which past is marked. The long
// ones are looked through beside the service.
base::Result<void> check_lists(const Context& context) {
  for (const auto queue : {Queue::officer, Queue::act, Queue::ledger_mark})
    SIGILLO_CHECK(context.store.members(static_cast<std::uint8_t>(queue)));
  return base::ok();
}

// Two couriers of a medium once had one queue, in which one would have to look past all that is for the
// other.
void part_couriers(Assembly::Parts& p, sealed_store::Changes& start) {
  auto channels = p.channels.all();
  for (const auto& parted : part_outboxes(channels))
    start.puts.push_back(p.engine->context().put(Table::channel, channel_id(parted.role, parted.name),
                                                 to_record(parted), Queue::channel));
  p.channels.set(std::move(channels));
}

// The id that acts name: drawn when the store is founded, and kept with it, so that a restored store is the
// same appliance. A store from before there were acts gets one at its next start.
base::Result<std::string> appliance_id(const Context& context) {
  SIGILLO_TRY(const auto kept, context.load<ApplianceRecord>(Table::appliance, Id{}));
  if (kept) return to_text(kept->id);
  const ApplianceRecord record{random_id()};
  sealed_store::Changes changes{.puts = {context.put(Table::appliance, Id{}, record)}};
  const auto committed = base::sync_wait(context.store.commit(std::move(changes)));
  if (!committed) return committed.error();
  return to_text(record.id);
}

base::Result<void> check_officers(const Officers& officers) {
  for (auto one = officers.begin(); one != officers.end(); ++one) {
    if (!valid_officer_name(one->name) || !base::EcPublicKey::from_point(one->key))
      return base::Error(Errc::officers, "an officer's name or key is malformed");
    for (auto other = officers.begin(); other != one; ++other) {
      if (other->name == one->name || other->key == one->key)
        return base::Error(Errc::officers, "two officers have one name or one key");
    }
  }
  if (officers.size() < kOfficersMin)
    return base::Error(Errc::officers, "an appliance has two officers at least");
  return base::ok();
}

}  // namespace

base::Error hsm_or_store(const base::Error& error) {
  if (!error.is(sealed_store::Errc::not_witnessed)) return error;
  return {hsm::Errc::unavailable, "the HSM did not take the anchor of this start", error.raw()};
}

StoreOptions options_of(const Config& config) {
  StoreOptions options;
  options.look_through = base::days(1);
  options.path = config.store.path;
  options.node = config.store.node;
  options.mode = config.anchor.mode == AnchorMode::strict ? sealed_store::WitnessMode::strict
                                                          : sealed_store::WitnessMode::interval;
  options.interval = config.anchor.interval;
  return options;
}

base::Result<StoreKeys> store_keys(hsm::Token& token, std::uint16_t version) {
  StoreKeys out;
  SIGILLO_TRY(out.page_key, derive_from_store(token, version, "sigillo/page/v1"));
  SIGILLO_TRY(out.fresh_key, derive_from_store(token, version, "sigillo/fresh/v1"));
  return out;
}

// The file says which: a kill between the rename and the end of a rotation leaves it under the key after the
// active one.
base::Result<std::uint16_t> store_version_of(hsm::Token& token, const KeyRegister& keys,
                                             const std::string& path) {
  const auto* active = keys.active(KeyLabels::store);
  if (active == nullptr) return base::Error(hsm::Errc::no_such_key, "no active store key");
  std::vector<std::uint16_t> versions{active->version};
  for (const auto& entry : keys.keys()) {
    const bool other = entry.label == KeyLabels::store && entry.version != active->version;
    if (other && (entry.state == KeyState::backed_up || entry.state == KeyState::retiring))
      versions.push_back(entry.version);
  }
  for (const auto version : versions) {
    SIGILLO_TRY(const auto page_key, derive_from_store(token, version, "sigillo/page/v1"));
    SIGILLO_TRY(const bool opens, sealed_store::opens_with(path, page_key));
    if (opens) return version;
  }
  return base::Error(sealed_store::Errc::corrupt, "no store key of this token opens the file");
}

base::Result<void> create_keys(hsm::Token& token, base::Instant now) {
  KeyRegister keys;
  for (const auto& use : key_uses()) {
    SIGILLO_TRY(const auto made, make_key(token, keys, use, now));
    keys.activate(made.id(), now);
  }
  keys.add(RecordKeyEntry{.since = now});
  return keys.write(token);
}

base::Result<base::Secret> derive_page_key(hsm::Token& token, const std::string& path) {
  SIGILLO_TRY(const auto registered, KeyRegister::read(token));
  SIGILLO_TRY(const auto version, store_version_of(token, registered, path));
  return derive_from_store(token, version, "sigillo/page/v1");
}

base::Result<std::optional<sealed_store::Head>> recorded_head(hsm::Token& token, const StoreConfig& config) {
  // A running appliance replaces the object all the time; one that went between listing and reading is no
  // failure.
  constexpr int kLooks = 16;
  Anchor anchor(token, config.node);
  auto head = anchor.newest();
  for (int look = 1; !head && look < kLooks; ++look) head = anchor.newest();
  return head;
}

base::Result<void> found_store(const Config& config, hsm::Token& token, const std::vector<Channel>& channels,
                               const Officers& officers, const base::Clock& clock) {
  SIGILLO_CHECK(check_channels(channels));
  SIGILLO_CHECK(check_officers(officers));
  SIGILLO_TRY(const auto registered, KeyRegister::read(token));
  SIGILLO_TRY(const auto keys, find_keys(token, registered));
  SIGILLO_TRY(auto file_keys, store_keys(token, registered.active(KeyLabels::store)->version));
  const auto options = options_of(config);
  SIGILLO_CHECK(sealed_store::SqlCipherStore::create(options, file_keys));
  Anchor anchor(token, config.store.node, Anchor::Use::founding);
  SIGILLO_TRY(const auto store, sealed_store::SqlCipherStore::open(options, std::move(file_keys), anchor));
  sealed_store::Changes changes;
  for (const auto& channel : channels) {
    const auto key = record_key(Table::channel, channel_id(channel.role, channel.name));
    changes.puts.push_back({key,
                            keys.sealer->seal(key, codec::encode(to_record(channel))),
                            static_cast<std::uint8_t>(Queue::channel),
                            {}});
    auto event = own_event(EventKind::channel_enrolled, clock.now());
    event.channel = "officer";
    event.reference = channel.label();
    changes.events.push_back(std::move(event));
  }
  const auto put = [&](Table table, const Id& id, const auto& record, Queue queue) {
    const auto key = record_key(table, id);
    changes.puts.push_back(
        {key, keys.sealer->seal(key, codec::encode(record)), static_cast<std::uint8_t>(queue), {}});
  };
  put(Table::appliance, Id{}, ApplianceRecord{random_id()}, Queue::none);
  put(Table::policy, Id{}, policy_of(config), Queue::none);
  changes.events.push_back(own_event(EventKind::policy_accepted, clock.now()));
  changes.events.back().reference = policy_digest(policy_of(config));
  for (auto officer : officers) {
    officer.enrolled = clock.now();
    put(Table::officer, officer_id(officer.name), officer, Queue::officer);
    auto event = own_event(EventKind::officer_enrolled, clock.now());
    event.channel = "officer";
    event.operator_name = officer.name;
    event.reference = key_text(officer);
    changes.events.push_back(std::move(event));
  }
  auto committed = base::sync_wait(store->commit(std::move(changes)));
  if (!committed) return committed.error();
  return base::ok();
}

namespace {

// A candidate's witness: what the file itself says. Nothing is compared with it but the file, and nothing is
// recorded anywhere.
class OwnHead final : public sealed_store::HeadWitness {
 public:
  explicit OwnHead(const sealed_store::Head& head) : head_(head) {}
  base::Result<std::optional<sealed_store::Head>> recorded() override { return std::optional(head_); }
  base::Result<void> take_over(const sealed_store::Head&) override { return base::ok(); }
  base::Result<void> record(const sealed_store::Head&) override { return base::ok(); }

 private:
  const sealed_store::Head head_;
};

// All that is there without a store; gives the version of the store key that opens the file. `now`: a
// rotation that was cut off after its file's rename is ended.
base::Result<std::uint16_t> open_keys(Assembly::Parts& parts, const Config& config, const base::Secret& pin,
                                      std::optional<base::Instant> now = {}) {
  parts.config = config;
  if (!profile_of(config.hsm).data_objects)
    return base::Error(Errc::policy, "this module keeps no private data objects on its token, so no anchor");
  SIGILLO_TRY(parts.token, open_token(config.hsm, pin));
  SIGILLO_CHECK(parts.token->self_test());
  SIGILLO_TRY(parts.registered, KeyRegister::read(*parts.token));
  SIGILLO_TRY(const auto version, store_version_of(*parts.token, parts.registered, config.store.path));
  if (now && parts.registered.active(KeyLabels::store)->version != version) {
    parts.registered.activate({KeyLabels::store, version}, *now);
    SIGILLO_CHECK(parts.registered.write(*parts.token));
  }
  SIGILLO_TRY(auto keys, find_keys(*parts.token, parts.registered));
  parts.ring.replace(std::move(keys));
  auto messages = config.messages_folder.empty() ? std::variant<Messages, std::string>(Messages::built_in())
                                                 : Messages::load(config.messages_folder);
  if (const auto* sentence = std::get_if<std::string>(&messages)) {
    base::log::error("messages-refused", {{"reason", *sentence}});
    return base::Error(Errc::policy, "a message template is malformed");
  }
  parts.messages = std::make_unique<Messages>(std::get<Messages>(std::move(messages)));
  parts.anchor = std::make_unique<Anchor>(*parts.token, config.store.node);
  return version;
}

base::Result<void> open_engine(Assembly::Parts& p, StoreKeys file_keys, sealed_store::HeadWitness& witness,
                               const base::Clock& clock) {
  SIGILLO_TRY(auto file,
              sealed_store::SqlCipherStore::open(options_of(p.config), std::move(file_keys), witness));
  p.store = std::make_unique<sealed_store::ReopenableStore>(std::move(file));
  p.dispatcher = std::make_unique<hsm::Dispatcher>(*p.token, dispatcher_options(p.config.hsm, *p.token));
  p.verifier = std::make_unique<Verifier>(*p.dispatcher, p.ring, p.config.policy.verifier.pbkdf2_iterations);
  p.queue = std::make_unique<SubjectQueue>(*p.dispatcher);
  Context context{p.config,    clock,      *p.dispatcher, *p.store, p.ring,   *p.verifier,
                  *p.messages, p.channels, *p.queue,      {},       p.figures};
  SIGILLO_TRY(const auto restored, context.load<RestoreRecord>(Table::restore, Id{}));
  if (restored) context.reissue = Reissue(restored->reissue_before);
  p.engine = std::make_unique<Engine>(std::move(context));
  SIGILLO_TRY(auto channels, load_channels(p.engine->context()));
  p.channels.set(std::move(channels));
  SIGILLO_CHECK(check_lists(p.engine->context()));
  return base::ok();
}

// An exchange of its file may have left none: the token failed in the middle of it. The register is read
// anew, for an act may be changing the one in memory.
base::Result<void> reopen_store(Assembly::Parts& p) {
  SIGILLO_TRY(const auto registered, KeyRegister::read(*p.token));
  SIGILLO_TRY(const auto version, store_version_of(*p.token, registered, p.config.store.path));
  SIGILLO_TRY(auto keys, store_keys(*p.token, version));
  return p.store->reopen(
      [&] { return sealed_store::SqlCipherStore::open(options_of(p.config), std::move(keys), *p.witness); });
}

bool store_is_open(Assembly::Parts& p) {
  if (!p.store->lost()) return true;
  const auto reopened = reopen_store(p);
  if (reopened) base::log::warn("store-reopened");
  return static_cast<bool>(reopened);
}

}  // namespace

Assembly::Assembly(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Assembly::~Assembly() {
  parts_->resealer.reset();
  parts_->ledger_keeper.reset();
  parts_->housekeeping.reset();
  if (parts_->engine && !parts_->detached) {
    // Notices of what was decided, too: the mark of a stop is the last entry, or whoever reads the ledger
    // finds something done by an appliance that was stopped.
    parts_->engine->await_idle();
    const auto& context = parts_->engine->context();
    sealed_store::Changes changes{.events = {own_event(EventKind::stopped, context.now())}};
    parts_->runs->end(changes);
    parts_->key_uses->end(changes);
    const auto noted = base::sync_wait(context.store.commit(std::move(changes)));
    if (!noted) base::log::error("stop-not-noted", noted.error());
  }
  parts_->engine.reset();
}

base::Result<std::unique_ptr<Assembly>> Assembly::open(const Config& config, const base::Secret& pin,
                                                       const base::Clock& clock) {
  auto parts = std::make_unique<Parts>();
  auto& p = *parts;
  SIGILLO_TRY(const auto version, open_keys(p, config, pin, clock.now()));
  SIGILLO_TRY(auto file_keys, store_keys(*p.token, version));
  p.timed_anchor = std::make_unique<TimedAnchor>(*p.anchor, config.hsm.deadline);
  p.witness = std::make_unique<MeteredWitness>(*p.timed_anchor, *p.figures);
  SIGILLO_CHECK(open_engine(p, std::move(file_keys), *p.witness, clock));
  SIGILLO_TRY(p.appliance_id, appliance_id(p.engine->context()));
  SIGILLO_TRY(const bool loosened, policy_holds(p.engine->context()));
  if (loosened) p.holds.emplace_back(kHoldPolicy);
  SIGILLO_TRY(const auto stretch, highest_stretch(p.engine->context()));
  p.verifier->expect_stretch(stretch);
  sealed_store::Changes start{.events = {own_event(EventKind::started, p.engine->context().now())}};
  part_couriers(p, start);
  SIGILLO_TRY(auto interrupted, close_interrupted(p));
  if (interrupted) {
    start.events.push_back(std::move(*interrupted));
    start.erases.push_back(record_key(Table::open_act, Id{}));
  }
  p.runs = std::make_unique<Runs>(p.engine->context());
  SIGILLO_CHECK(p.runs->begin(start));
  p.key_uses = std::make_unique<KeyUses>(p.engine->context());
  SIGILLO_CHECK(p.key_uses->begin(start));
  // From here on it ends with its mark, also where it does not get as far as serving.
  std::unique_ptr<Assembly> assembly(new Assembly(std::move(parts)));
  auto started = base::sync_wait(p.store->commit(std::move(start)));
  if (!started) return hsm_or_store(started.error());
  if (p.runs->too_many()) p.holds.emplace_back(kHoldUncleanStops);
  p.housekeeping = std::make_unique<Housekeeping>(*p.engine, *p.timed_anchor, *p.token, *p.runs, *p.key_uses,
                                                  [&p] { return store_is_open(p); });
  p.resealer = std::make_unique<Resealer>(p.engine->context());
  p.segments = std::make_unique<Segments>(p.engine->context());
  p.ledger_keeper = std::make_unique<LedgerKeeper>(p.engine->context(), *p.segments);
  return assembly;
}

base::Result<std::unique_ptr<Assembly>> Assembly::open_candidate(const Config& config,
                                                                 const base::Secret& pin,
                                                                 const base::Clock& clock) {
  auto parts = std::make_unique<Parts>();
  auto& p = *parts;
  SIGILLO_TRY(const auto version, open_keys(p, config, pin));
  SIGILLO_TRY(auto file_keys, store_keys(*p.token, version));
  sealed_store::Head head;
  {
    SIGILLO_TRY(const auto reader, sealed_store::LedgerReader::open(config.store.path, file_keys.page_key));
    SIGILLO_TRY(head, reader->head());
  }
  p.detached = std::make_unique<OwnHead>(head);
  // A token that was restored as well has none.
  p.anchor = std::make_unique<Anchor>(*p.token, config.store.node, Anchor::Use::founding);
  SIGILLO_CHECK(open_engine(p, std::move(file_keys), *p.detached, clock));
  SIGILLO_TRY(p.appliance_id, appliance_id(p.engine->context()));
  return std::unique_ptr<Assembly>(new Assembly(std::move(parts)));
}

Service& Assembly::service() {
  return *parts_->engine;
}

}  // namespace sigillo::appliance
