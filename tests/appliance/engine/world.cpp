#include "world.hpp"

#include <stdlib.h>

#include <sealed_store/sqlcipher_store.hpp>

namespace sigillo::appliance::testing {
namespace {

base::Secret derive(hsm::Token& token, std::string_view label, std::string_view context = {}) {
  const auto key = token.find_key({KeyLabels::store, 1});
  return std::move(*hsm::derive(token, *key, label, base::view(context), 32));
}

char check_character(const std::string& first15) {
  static constexpr int kOdd[] = {1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                                 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};
  int sum = 0;
  for (std::size_t i = 0; i < 15; ++i) {
    const int value = first15[i] <= '9' ? first15[i] - '0' : first15[i] - 'A';
    sum += i % 2 == 0 ? kOdd[value] : value;
  }
  return static_cast<char>('A' + sum % 26);
}

// A typed answer is moved into its wire form in production; a test keeps one for itself.
Answer keep(const Answer& answer) {
  const auto one = [](const auto& value) -> Answer {
    using T = std::decay_t<decltype(value)>;
    if constexpr (std::is_same_v<T, NewPin>) {
      const auto* clear = std::get_if<Pin>(&value.pin);
      std::variant<Pin, std::string> copy = clear != nullptr ? std::variant<Pin, std::string>(clear->clone())
                                                             : std::get<std::string>(value.pin);
      return NewPin{value.credential_id, value.level, value.expires_at, std::move(copy)};
    } else {
      return value;
    }
  };
  return std::visit(one, answer);
}

std::string text_of(const Answer& answer) {
  std::string text = "answer " + std::to_string(answer.index());
  if (const auto* made = std::get_if<NewPin>(&answer)) text += " " + shown(*made);
  if (const auto* made = std::get_if<PinRequested>(&answer)) text += " " + made->credential_id;
  if (const auto* sent = std::get_if<LinkSent>(&answer)) text += " " + sent->id;
  if (const auto* done = std::get_if<Authorization>(&answer)) text += " " + done->authorization_id;
  if (const auto* seen = std::get_if<Rejection>(&answer))
    text += " " + std::to_string(static_cast<int>(seen->outcome)) + " " +
            std::to_string(seen->attempts_remaining) + " " + std::to_string(seen->retry_after_s.value_or(0));
  return text;
}

// A member's text out of the flat JSON that the appliance writes.
std::string member(std::string_view json, const std::string& name) {
  const std::string head = "\"" + name + "\":\"";
  const auto at = json.find(head);
  if (at == std::string_view::npos) return {};
  const auto from = at + head.size();
  return std::string(json.substr(from, json.find('"', from) - from));
}

}  // namespace

struct World::Folder {
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "sigillo-engine-XXXXXX";
    path = ::mkdtemp(pattern.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path;
};

Pin pin(const std::string& text) {
  return *Pin::parse(base::view(text));
}

std::string shown(const NewPin& answer) {
  const auto* clear = std::get_if<Pin>(&answer.pin);
  return clear != nullptr ? std::string(base::text(clear->characters())) : std::string();
}

Evidence evidence(Route route) {
  return {route, std::string(64, 'a'), {"identity-card", "CA00000AA", {2190, 1, 1}, std::string(64, 'b')}};
}

std::string describe(const Outcome& outcome) {
  if (outcome.outage) return "outage " + std::to_string(static_cast<int>(*outcome.outage));
  if (const auto* refusal = outcome.as<Refusal>())
    return "refusal " + std::to_string(static_cast<int>(*refusal));
  if (const auto* rejection = outcome.as<Rejection>())
    return "rejection " + std::to_string(static_cast<int>(rejection->outcome));
  return outcome.answer ? "answer " + std::to_string(outcome.answer->index()) : "replayed";
}

World::World(Disk disk) : disk_(disk) {
  if (!create_keys(token)) std::abort();
  config.store.node = 1;
  const struct {
    Role role;
    bool opens;
  } kRoles[] = {{Role::portal, false},      {Role::contact_centre, true}, {Role::branch, true},
                {Role::back_office, false}, {Role::courier_sms, true},    {Role::courier_email, true},
                {Role::courier_pec, true},  {Role::courier_post, true},   {Role::auditor, false}};
  for (const auto& [role, opens] : kRoles) add(role, std::string(name(role)), opens);
  if (disk_ == Disk::memory) memory_ = std::make_unique<sealed_store::MemoryStore>();
  folder_ = std::make_unique<Folder>();  // a store in memory has the key register's copy there
  config.store.path = folder_->path / "sigillo.db";
}

World::~World() {
  stop();
}

void World::start() {
  sealed_store::Store* behind = memory_.get();
  if (disk_ == Disk::sqlcipher) {
    const auto keys = [this] {
      return sealed_store::StoreKeys{derive(token, "sigillo/page/v1"), derive(token, "sigillo/fresh/v1")};
    };
    sealed_store::StoreOptions options;
    options.path = config.store.path;
    const bool founding = !std::filesystem::exists(options.path);
    if (founding && !sealed_store::SqlCipherStore::create(options, keys())) std::abort();
    anchor_ = std::make_unique<Anchor>(token, config.store.node,
                                       founding ? Anchor::Use::founding : Anchor::Use::running);
    auto opened = sealed_store::SqlCipherStore::open(options, keys(), *anchor_);
    if (!opened) std::abort();
    file_ = std::move(*opened);
    behind = file_.get();
  }
  watched_ = std::make_unique<WatchedStore>(*behind);
  auto keys = find_keys(token, *KeyRegister::read(token));
  if (!keys) std::abort();
  ring_.emplace().replace(std::move(*keys));
  dispatcher_ = std::make_unique<hsm::Dispatcher>(
      held, hsm::DispatcherOptions{.workers = workers, .deadline = deadline});
  verifier_ = std::make_unique<Verifier>(*dispatcher_, *ring_, config.policy.verifier.pbkdf2_iterations);
  stretch_ = std::max(stretch_, config.policy.verifier.pbkdf2_iterations);
  verifier_->expect_stretch(stretch_);
  messages_ = std::make_unique<Messages>(Messages::built_in());
  queue_ = std::make_unique<SubjectQueue>(*dispatcher_);
  enrol();
  engine_ = std::make_unique<Engine>(Context{config,
                                             clock,
                                             *dispatcher_,
                                             *watched_,
                                             *ring_,
                                             *verifier_,
                                             *messages_,
                                             channels_,
                                             *queue_,
                                             {},
                                             std::make_shared<Figures>(),
                                             reissue});
}

void World::enrol() {
  std::vector<Channel> channels;
  for (const auto& desk : desks_) channels.push_back(desk.channel);
  channels_.set(std::move(channels));
}

void World::add(Role role, const std::string& called, bool opens) {
  Desk desk{{role, called, ChannelStatus::active, base::sha256({base::view(called)}), called, {}}, {}};
  if (opens) {
    desk.key = base::EcPrivateKey::generate();
    desk.channel.delivery_jwk = desk.key->public_key().to_jwk(called + "-1");
  }
  desks_.push_back(std::move(desk));
}

void World::enrol(Role role, const std::string& called) {
  std::vector<Channel> channels;
  for (const auto& desk : desks_) channels.push_back(desk.channel);
  add(role, called, opens_deliveries(role));
  desks_.back().channel.outbox = *next_outbox(channels, role);
  enrol();
}

void World::change(Role role, const std::string& called, const std::function<void(Channel&)>& how) {
  how(std::ranges::find_if(desks_, [&](const Desk& desk) {
        return desk.channel.role == role && desk.channel.name == called;
      })->channel);
  enrol();
}

void World::stop() {
  engine_.reset();
  file_.reset();
  dispatcher_.reset();
  anchor_.reset();
}

ChannelPtr World::channel(Role role, const std::string& called) const {
  return channels_.find(role, called, base::sha256({base::view(called)}), clock.now());
}

base::Task<Reply> World::begin(ChannelPtr by, Request request, Render render,
                               std::optional<Idempotency> key) {
  return engine_->execute(Call{std::move(by), std::move(request), std::move(key), std::move(render)});
}

Outcome World::call(const ChannelPtr& by, Request request, std::optional<std::string> key, std::string body) {
  Outcome out;
  const Render render = [&out](const Answer& answer) {
    out.answer.emplace(keep(answer));
    return Rendered{200, base::Secret(base::view(text_of(answer)))};
  };
  std::optional<Idempotency> idempotency;
  if (key) idempotency.emplace(Idempotency{*key, base::Secret(base::sha256({base::view(body)}))});
  const auto reply = base::sync_wait(begin(by, std::move(request), render, std::move(idempotency)));
  if (const auto* outage = std::get_if<Outage>(&reply)) {
    out.outage = *outage;
  } else {
    out.status = std::get<Rendered>(reply).status;
    out.text = std::get<Rendered>(reply).body.expose_text();
  }
  return out;
}

Citizen World::citizen(unsigned number) const {
  std::string code = "RSSMRA" + std::to_string(50 + number / 1000 % 50) + "T10A" +
                     std::to_string(1000 + number % 1000).substr(1);
  code += check_character(code);
  const std::string tag = std::to_string(100000 + number);
  Contacts contacts{"+39333" + tag, "c" + tag + "@example.it", "c" + tag + "@pec.example.it", std::nullopt,
                    PostalAddress{"Mario Rossi", "Via Garibaldi " + tag, "00153", "Roma", "RM", "IT"}};
  return {
      *Subject::parse(code), std::move(contacts), {"80380000300012" + tag, {2190, 5, 31}}, {}, {}, {}, {}};
}

Outcome World::request(const Citizen& citizen, Role role) {
  RequestPin request{citizen.subject, citizen.contacts, citizen.card, {}, {}, {}, {}};
  if (role != Role::portal) request.operator_name = "op-1";
  if (role == Role::branch) request.evidence = evidence();
  return call(role, std::move(request));
}

Citizen World::provisional(unsigned number) {
  Citizen made = citizen(number);
  const auto done = request(made);
  const auto* answer = done.as<PinRequested>();
  if (answer == nullptr) std::abort();
  read_halves(made, *answer);
  return made;
}

void World::activate(Citizen& citizen) {
  const auto done = call(Role::portal, Activate{citizen.subject, pin(citizen.whole()), {}});
  const auto* made = done.as<NewPin>();
  ASSERT_NE(made, nullptr) << describe(done);
  citizen.pin = shown(*made);
}

Citizen World::active(unsigned number) {
  Citizen made = provisional(number);
  activate(made);
  collect_all();
  return made;
}

Citizen World::dispositive(unsigned number) {
  Citizen made = active(number);
  EXPECT_NE(convert_at_branch(made).as<ConversionOpened>(), nullptr);
  collect_all();
  return made;
}

Outcome World::verify(const Citizen& citizen, const std::string& text, bool receipt) {
  return call(Role::portal, Verify{citizen.subject, pin(text), receipt});
}
Outcome World::block(const Citizen& citizen) {
  return call(Role::contact_centre, Block{citizen.subject, "op-1", "lost"});
}
Outcome World::revoke_at_branch(const Citizen& citizen) {
  return call(Role::branch, Revoke{citizen.subject, {}, {}, "op-1", "asked"});
}
Outcome World::substitute(const Citizen& citizen) {
  return call(Role::branch, Recover{citizen.subject, {}, "op-1", evidence()});
}
Outcome World::convert_at_branch(const Citizen& citizen) {
  return call(Role::branch, OpenConversion{citizen.subject, {}, "op-1", evidence()});
}
Outcome World::recover(const Citizen& citizen, const Contacts& given) {
  return call(Role::portal, Recover{citizen.subject, given, {}, {}});
}
Outcome World::recover(const Citizen& citizen) {
  Contacts given;
  given.mobile = citizen.contacts.mobile;
  given.email = citizen.contacts.email;
  return recover(citizen, given);
}
Outcome World::revoke(const Citizen& citizen, const HealthCard& card) {
  Contacts to;
  to.email = "elsewhere@example.it";
  return call(Role::portal, Revoke{citizen.subject, card, to, {}, {}});
}

StatusView World::status(const Citizen& citizen) {
  const auto seen = call(Role::branch, GetStatus{citizen.subject, "op-1"});
  if (seen.as<StatusView>() == nullptr) std::abort();
  return *seen.as<StatusView>();
}

void World::fail(const Citizen& citizen, int times) {
  for (int i = 0; i < times; ++i) {
    const auto seen = verify(citizen, kWrong8);
    ASSERT_TRUE(seen.is(Rejection::Outcome::rejected)) << describe(seen);
    clock.advance(base::hours(1));
  }
}

Message World::open(const Channel& channel, const std::string& sealed) const {
  const auto desk =
      std::ranges::find_if(desks_, [&](const Desk& one) { return one.channel.label() == channel.label(); });
  const auto plain = base::open_jwe(*desk->key, sealed);
  if (!plain) return {};
  const auto json = plain->expose_text();
  const auto recovery = member(json, "recovery_id");
  return {member(json, "delivery_id"),
          member(json, "kind"),
          member(json, "pin"),
          member(json, "token"),
          recovery.empty() ? member(json, "revocation_id") : recovery,
          Medium::counter};
}

std::vector<Message> World::collect(Medium medium) {
  const Role role = static_cast<Role>(static_cast<int>(Role::courier_sms) + static_cast<int>(medium) - 1);
  std::vector<Message> out;
  for (;;) {
    const auto leased = call(role, LeaseDeliveries{100});
    const auto* leases = leased.as<Leases>();
    if (leases == nullptr || leases->deliveries.empty()) return out;
    AckDeliveries acks;
    for (const auto& item : leases->deliveries) {
      out.push_back(open(role, item.sealed));
      out.back().medium = medium;
      acks.acks.push_back({item.delivery_id, true, {}});
    }
    call(role, std::move(acks));
  }
}

std::vector<Message> World::collect_all() {
  std::vector<Message> out;
  for (const Medium medium : {Medium::sms, Medium::email, Medium::pec, Medium::post}) {
    for (auto& message : collect(medium)) out.push_back(std::move(message));
  }
  return out;
}

void World::read_halves(Citizen& citizen, const PinRequested& answer, Role desk) {
  citizen.credential = answer.credential_id;
  auto messages = collect_all();
  for (const auto& view : answer.deliveries) {
    if (view.sealed) messages.push_back(open(desk, *view.sealed));
  }
  const auto plain = [](std::string text) {
    std::erase(text, '-');
    return text;
  };
  for (const auto& message : messages) {
    const bool own = std::any_of(answer.deliveries.begin(), answer.deliveries.end(),
                                 [&](const DeliveryView& view) { return view.delivery_id == message.id; });
    if (!own) continue;  // an earlier one's, that nobody fetched
    if (message.kind == "pin.first-half") citizen.first = plain(message.pin);
    if (message.kind == "pin.second-half") citizen.second = plain(message.pin);
    if (message.kind == "pin.whole") {
      const auto whole = plain(message.pin);
      citizen.first = whole.substr(0, 8);
      citizen.second = whole.substr(8);
    }
  }
}

SubjectIndex World::index(const Citizen& citizen) {
  return *base::sync_wait(engine_->context().index_of(citizen.subject));
}
sealed_store::GuardValue World::guard(const Citizen& citizen, guard::Counter counter) {
  return watched_->guard({index(citizen), static_cast<std::uint8_t>(counter)});
}
std::vector<sealed_store::LedgerEntry> World::entries(std::uint64_t after) {
  return *watched_->ledger(after, 1'000'000);
}
std::optional<double> World::reading(const std::string& name, const std::string& label) {
  for (const auto& one : engine_->readings())
    if (one.name == name && one.label_value == label) return one.value;
  return std::nullopt;
}

std::size_t World::count_events(EventKind kind, std::uint64_t after) {
  const auto all = entries(after);
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [kind](const auto& entry) {
    return entry.event.kind == static_cast<std::uint16_t>(kind);
  }));
}

}  // namespace sigillo::appliance::testing
