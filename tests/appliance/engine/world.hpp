// World: an appliance composed as the assembly does it, on a token in memory, a store of the test's choice
// and a clock that stands still, with its channels, its couriers' keys and citizens to try it with. It lives
// on over a restart(), as the token and the disk do. Thread rule: call() from any thread, the rest from the
// test's.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <base/clock.hpp>
#include <hsm/fake_token.hpp>
#include <sealed_store/memory_store.hpp>

#include "anchor.hpp"
#include "engine.hpp"
#include "holding_token.hpp"
#include "watched_store.hpp"

namespace sigillo::appliance::testing {

// What became of a call. `answer` is the typed one, where the operation made one; a replay has its text only.
struct Outcome {
  std::optional<Answer> answer;
  std::optional<Outage> outage;
  std::uint16_t status = 0;
  std::string text;  // equal for equal answers

  template <class T>
  const T* as() const {
    return !outage && answer ? std::get_if<T>(&*answer) : nullptr;
  }
  bool is(Refusal refusal) const { return as<Refusal>() != nullptr && *as<Refusal>() == refusal; }
  bool is(Rejection::Outcome outcome) const {
    return as<Rejection>() != nullptr && as<Rejection>()->outcome == outcome;
  }
};
std::string describe(const Outcome& outcome);  // for a failed expectation: its kind, no secret

struct Citizen {
  Subject subject;
  Contacts contacts;
  HealthCard card;
  std::string credential, first, second, pin;  // PINs as a citizen reads them
  std::string whole() const { return first + second; }
};

// A delivery as its courier or desk reads it.
struct Message {
  std::string id, kind, pin, token, link;
  Medium medium = Medium::sms;
};

inline constexpr base::Instant kStart{1'780'000'000'000};  // a day of May 2026
inline constexpr const char* kWrong8 = "AAAAAAAA";
inline constexpr const char* kWrong16 = "AAAAAAAAAAAAAAAA";

enum class Disk : std::uint8_t { memory, sqlcipher };

class World {
 public:
  explicit World(Disk disk = Disk::memory);
  ~World();

  hsm::FakeToken token;
  HoldingToken held{token};  // what the dispatcher calls
  base::ManualClock clock{kStart};
  Config config;                             // takes effect at the next start()
  base::Duration deadline = base::hours(1);  // no test is slower; those of the deadline set their own
  std::size_t workers = 2;
  Reissue reissue;  // as an assembly would read it; takes effect at the next start()

  void start();
  void stop();
  void restart() {
    stop();
    start();
  }

  Engine& engine() { return *engine_; }
  WatchedStore& store() { return *watched_; }
  sealed_store::MemoryStore& memory() { return *memory_; }
  hsm::Dispatcher& dispatcher() { return *dispatcher_; }
  KeyRing& ring() { return *ring_; }
  ChannelPtr channel(Role role) const { return channel(role, std::string(name(role))); }
  ChannelPtr channel(Role role, const std::string& called) const;
  // One more of the role, beside the one that is called as the role is.
  void enrol(Role role, const std::string& called);
  // As officers do it: seen by the next call.
  void change(Role role, const std::function<void(Channel&)>& how) {
    change(role, std::string(name(role)), how);
  }
  void change(Role role, const std::string& called, const std::function<void(Channel&)>& how);
  base::Task<Reply> begin(Role role, Request request, Render render, std::optional<Idempotency> key = {}) {
    return begin(channel(role), std::move(request), std::move(render), std::move(key));
  }
  base::Task<Reply> begin(ChannelPtr by, Request request, Render render, std::optional<Idempotency> key = {});
  Outcome call(Role role, Request request, std::optional<std::string> key = {}, std::string body = "body") {
    return call(channel(role), std::move(request), std::move(key), std::move(body));
  }
  Outcome call(const ChannelPtr& by, Request request, std::optional<std::string> key = {},
               std::string body = "body");

  // ---- citizens
  Citizen citizen(unsigned number) const;
  Citizen provisional(unsigned number);  // requested at the portal, both halves read
  Citizen active(unsigned number);       // ordinary
  Citizen dispositive(unsigned number);
  void activate(Citizen& citizen);
  Outcome request(const Citizen& citizen, Role role = Role::portal);
  Outcome verify(const Citizen& citizen, const std::string& pin, bool receipt = false);
  Outcome block(const Citizen& citizen);
  Outcome revoke_at_branch(const Citizen& citizen);
  Outcome substitute(const Citizen& citizen);
  Outcome convert_at_branch(const Citizen& citizen);
  Outcome recover(const Citizen& citizen, const Contacts& given);
  Outcome recover(const Citizen& citizen);  // by mobile and e-mail
  Outcome revoke(const Citizen& citizen, const HealthCard& card);
  StatusView status(const Citizen& citizen);
  void fail(const Citizen& citizen, int times);  // wrong guesses, each when its delay is over

  // ---- what left
  std::vector<Message> collect(Medium medium);  // leased, opened and acknowledged
  std::vector<Message> collect_all();
  Message open(Role desk, const std::string& sealed) const { return open(*channel(desk), sealed); }
  Message open(const Channel& desk, const std::string& sealed) const;
  // The new halves of a citizen among what left, or the whole PIN that a desk was handed.
  void read_halves(Citizen& citizen, const PinRequested& answer, Role desk = Role::branch);

  // ---- looking inside
  SubjectIndex index(const Citizen& citizen);
  sealed_store::GuardValue guard(const Citizen& citizen, guard::Counter counter = guard::Counter::pin);
  std::uint32_t count(const Citizen& citizen, guard::Counter counter = guard::Counter::pin) {
    return guard(citizen, counter).total();
  }
  std::vector<sealed_store::LedgerEntry> entries(std::uint64_t after = 0);
  std::size_t count_events(EventKind kind, std::uint64_t after = 0);
  // What a scrape would show; nothing where the figure is not told.
  std::optional<double> reading(const std::string& name, const std::string& label = {});

 private:
  struct Folder;
  void enrol();
  void add(Role role, const std::string& called, bool opens);
  struct Desk {
    Channel channel;
    std::optional<base::EcPrivateKey> key;
  };

  Disk disk_;
  std::unique_ptr<Folder> folder_;
  std::vector<Desk> desks_;
  std::unique_ptr<Anchor> anchor_;
  std::unique_ptr<sealed_store::MemoryStore> memory_;
  std::unique_ptr<sealed_store::Store> file_;
  std::unique_ptr<WatchedStore> watched_;
  std::unique_ptr<hsm::Dispatcher> dispatcher_;
  std::optional<KeyRing> ring_;  // a new one at each start, as in a new process
  std::unique_ptr<Verifier> verifier_;
  std::uint32_t stretch_ = 0;  // as the accepted policy's record would know it
  std::unique_ptr<Messages> messages_;
  ChannelRegistry channels_;
  std::unique_ptr<SubjectQueue> queue_;
  std::unique_ptr<Engine> engine_;
};

constexpr base::Duration just_before(base::Duration duration) {
  return {duration.ms - 1};
}
Pin pin(const std::string& text);
std::string shown(const NewPin& answer);
Evidence evidence(Route route = Route::in_person);

}  // namespace sigillo::appliance::testing
