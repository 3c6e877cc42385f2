#include "engine.hpp"

#include "checkpoints.hpp"
#include "disk.hpp"
#include "key_uses.hpp"
#include "ops.hpp"

namespace sigillo::appliance {
namespace {

constexpr std::size_t kInFlightMax = 8'192;  // more than that waits nowhere: 503, come again
constexpr base::Duration kClockTolerance = base::seconds(5);

// The HSM's fault, not the disk's.
bool is_of_anchor(const std::optional<base::Error>& trouble) {
  return trouble && trouble->is(sealed_store::Errc::not_witnessed);
}

base::Task<Reply> dispatch(Session& session, const Request& request) {
  const auto to_operation = [&session](const auto& typed) { return run(session, typed); };
  co_return co_await std::visit(to_operation, request);
}

// Right and wrong of every channel from the beginning on, so that a first one is seen to rise; the rest once
// there is any.
void append_channels(std::vector<Reading>& out, const std::vector<Channel>& channels) {
  for (const auto& channel : channels) {
    for (std::uint16_t i = 1; i < Outcomes::kKinds; ++i) {
      const auto outcome = static_cast<EventOutcome>(i);
      const auto counted = channel.figures->outcomes.of(outcome);
      if (counted == 0 && outcome != EventOutcome::verified && outcome != EventOutcome::rejected) continue;
      out.push_back({"sigillo_channel_outcomes_total",
                     "Decisions, by channel and outcome",
                     Reading::Kind::counter,
                     "outcome",
                     std::string(outcome_name(i)),
                     static_cast<double>(counted),
                     {},
                     channel.label()});
    }
  }
}

}  // namespace

class Engine::Presence {
 public:
  explicit Presence(Engine& engine) : engine_(engine) {
    const std::lock_guard lock(engine_.mutex_);
    admitted_ = engine_.in_flight_ < kInFlightMax;
    ++engine_.in_flight_;
  }
  ~Presence() { engine_.leave(); }
  Presence(const Presence&) = delete;
  Presence& operator=(const Presence&) = delete;
  bool admitted() const { return admitted_; }

 private:
  Engine& engine_;
  bool admitted_ = false;
};

Engine::Engine(Context context) : context_(std::move(context)) {
  context_.background = [this](base::Task<bool> task) { background(std::move(task)); };
}

Engine::~Engine() {
  await_idle();
}

void Engine::await_idle() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return in_flight_ == 0; });
}

void Engine::leave() {
  const std::lock_guard lock(mutex_);
  if (--in_flight_ == 0) idle_.notify_all();
}

void Engine::background(base::Task<bool> task) {
  {
    const std::lock_guard lock(mutex_);
    ++in_flight_;
  }
  const auto done = [this](bool) { leave(); };
  base::start(std::move(task), done);
}

base::Task<Reply> Engine::execute(Call call) {
  const Presence presence(*this);
  if (!presence.admitted() || base::secret_arena_crowded()) co_return Outage::overloaded;
  if (fenced_) co_return Outage::store_unavailable;
  // Attack: (1) let the HSM make MACs and refuse writes: a token that is full, or write-protected. (2) Ask
  // on: each request is charged and put back, two entries of the ledger for a 503. So one asks until it is
  // there again, the store's witness, and nobody else.
  const bool anchored = context_.config.anchor.mode == AnchorMode::strict;
  if (anchored && is_of_anchor(context_.store.trouble())) co_return Outage::hsm_unavailable;
  const auto held = context_.keys();  // a key is destroyed only once nobody works with a set that has it
  if (held->sealer->uses() >= kUsesStop) co_return Outage::store_unavailable;
  Session session(context_, call);
  if (!call.idempotency) co_return co_await dispatch(session, call.request);

  auto ids = idempotency::record_ids(held->idempotency, call.channel->label(), *call.idempotency);
  const idempotency::KeyHeld key(keys_in_flight_, std::move(ids));
  co_await context_.dispatcher.hop();  // reading the store is no work for the caller's thread
  // Where the key is held by another, that one may be the first, or tell again what is kept already.
  auto kept = co_await session.replay();
  if (kept) co_return std::move(*kept);
  if (!key.held()) co_return call.render(Refusal::idempotency_key_in_use);
  co_return co_await dispatch(session, call.request);
}

ChannelPtr Engine::channel(Role role, const std::string& name, const base::Digest& certificate_key) const {
  return context_.channels.find(role, name, certificate_key, context_.now());
}

base::Task<std::optional<std::string>> Engine::checkpoint() {
  const Presence presence(*this);
  if (!presence.admitted() || fenced_) co_return std::nullopt;
  auto note = co_await sign_checkpoint(context_, context_.store.head());
  if (!note) co_return std::nullopt;
  co_return std::move(*note);
}

Readiness Engine::readiness() const {
  Readiness out;
  const auto trouble = context_.store.trouble();
  if (!context_.dispatcher.healthy() || is_of_anchor(trouble)) out.reasons.emplace_back("hsm-unavailable");
  if (trouble && !is_of_anchor(trouble)) out.reasons.emplace_back("store-unavailable");
  if (disk_full_) out.reasons.emplace_back("disk-full");
  if (fenced_) out.reasons.emplace_back("fenced");
  if (context_.keys()->sealer->uses() >= kUsesStop) out.reasons.emplace_back(kRecordKeyUsedUp);
  if (context_.clock.now() + kClockTolerance < context_.store.head().time)
    out.reasons.emplace_back("clock-behind-ledger");
  out.ready = out.reasons.empty();
  return out;
}

std::vector<Reading> Engine::readings() const {
  using enum Reading::Kind;
  std::vector<Reading> out;
  context_.figures->append_to(out, context_.store, context_.now());
  append_channels(out, context_.channels.all());
  if (const auto ends = context_.channels.first_end())
    out.push_back({"sigillo_channel_certificate_expiry_timestamp_seconds",
                   "When the first certificate of an active channel ends", gauge, "", "",
                   static_cast<double>(ends->ms) / 1000});
  const auto& times = context_.dispatcher.times();
  for (std::size_t i = 0; i < times.size(); ++i) {
    const auto counts = times[i].counts();
    out.push_back({"sigillo_hsm_call_seconds",
                   "Time of calls in the PKCS#11 module, by function",
                   histogram,
                   "function",
                   hsm::Dispatcher::kFunctions[i],
                   times[i].sum_seconds(),
                   {counts.begin(), counts.end()}});
  }
  if (const auto space = disk_space(context_.config.store.path))
    out.push_back(
        {"sigillo_store_disk_used_ratio", "Of the store's file system, 0 to 1", gauge, "", "", space->used});
  const auto load = context_.dispatcher.load();
  const auto gauged = [&out](const char* name, const char* help, std::size_t value) {
    out.push_back({name, help, gauge, "", "", static_cast<double>(value)});
  };
  gauged("sigillo_hsm_workers", "Calls that the HSM is given at once", load.workers);
  gauged("sigillo_hsm_workers_stuck", "Workers whose call has passed its deadline and not come back",
         load.stuck);
  gauged("sigillo_record_key_uses", "How often the record key has sealed; 4294967296 is the end of it",
         context_.keys()->sealer->uses());
  gauged("sigillo_hsm_queue", "Calls that wait for a worker", load.queued);
  gauged("sigillo_hsm_undecided", "Calls that came back and wait for a decider, hops included",
         load.undecided);
  out.push_back({"sigillo_hsm_logins_total", "Logins into the token, the first included", counter, "", "",
                 static_cast<double>(context_.dispatcher.logins())});
  const std::lock_guard lock(mutex_);
  gauged("sigillo_calls_in_flight", "Operations begun and not answered, background work included",
         in_flight_);
  return out;
}

}  // namespace sigillo::appliance
