// bench_fill: makes the bench's people subjects of a real appliance, through the appliance's own records,
// verifiers from its HSM and its store, in big commits and not over HTTP. What it writes of a person is what
// a request and an activation would have left: a sealed record and the two ledger entries.
//   bench_fill CONFIG [--active N] [--provisional N] [--seed S] [--in-order]
// They come in random order of their rows, as people do, so that the file has the room in its pages that it
// would have; --in-order sorts them by row first: for ten millions, which take too long otherwise.
// bench_fill --ldif FILE ... writes the same people for a directory, with the same PINs.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <latch>
#include <vector>

#include <openssl/rand.h>
#include <openssl/sha.h>

#include <appliance/assembly.hpp>
#include <appliance/config.hpp>

#include "engine.hpp"
#include "ops.hpp"
#include "people.hpp"

namespace {

using namespace sigillo;
using namespace sigillo::appliance;
namespace people = sigillo::bench;

constexpr std::uint64_t kAtOnce = 50'000;  // people of one commit
constexpr std::uint64_t kFlows = 64;       // coroutines that wait for the HSM at the same time

struct Plan {
  std::uint64_t active = 1'000'000, provisional = 0, seed = 1, done = 0;
  bool in_order = false;
  std::uint64_t total() const { return active + provisional; }
};

[[noreturn]] void give_up(const std::string& sentence) {
  std::fprintf(stderr, "bench_fill: %s\n", sentence.c_str());
  std::_Exit(1);
}
template <class T>
T must(base::Result<T> result, const char* doing) {
  if (!result) give_up(std::string(doing) + ": " + result.error().detail());
  return std::move(result).value();
}

struct Person {
  SubjectIndex index{};
  SubjectRecord record;
};

template <class T>
Registered<T> registered(T value, bool confirmed) {
  return {std::move(value), {}, confirmed};
}

RegisteredContacts contacts_of(std::uint64_t n, bool confirmed) {
  const std::string number = std::to_string(10'000'000 + n);
  StoredAddress home;
  static_cast<PostalAddress&>(home) = {
      "Mario Rossi", "Via Garibaldi " + std::to_string(n % 200 + 1), "00153", "Roma", "RM", "IT"};
  RegisteredContacts out;
  out.mobile = registered("+3933" + number, confirmed);
  out.email = registered("c" + number + "@example.it", false);
  out.postal = registered(home, confirmed);
  return out;
}

base::Task<SubjectIndex> index_of(const Context& context, std::uint64_t n) {
  const auto code = people::code_of(n);
  const auto subject = Subject::parse(people::text(code));
  if (!subject) give_up("a made-up codice fiscale is not valid");
  co_return must(co_await context.index_of(*subject), "asking the HSM for an index");
}

// The person as a request, and for the active ones an activation, would have left them.
base::Task<bool> make_person(const Context& context, const Plan& plan, std::uint64_t n, Person& out) {
  out.index = co_await index_of(context, n);
  const auto now = context.now();
  auto& record = out.record;
  record.generation = 1;
  record.credential = random_id();
  record.issued = now;
  record.letters = {now};
  record.deliveries = {{random_id(), Half::first, Medium::sms}, {random_id(), Half::second, Medium::post}};
  const bool active = n < plan.active;
  record.contacts = contacts_of(n, active);
  // A task begins when it is awaited, so the texts are here.
  const auto pin = people::pin_of(plan.seed, n, people::Secret::definitive);
  const auto half1 = people::pin_of(plan.seed, n, people::Secret::first_half);
  const auto half2 = people::pin_of(plan.seed, n, people::Secret::second_half);
  const auto verifier = [&](SecretRole role, const people::PinText& text) {
    return context.verifier.make(role, out.index, record.generation, base::view(people::text(text)));
  };
  if (active) {
    auto task = verifier(SecretRole::definitive, pin);
    record.first_access = now;
    record.state = Definitive{must(co_await task, "asking the HSM for a verifier"),
                              now + context.policy().credential.definitive_validity};
    co_return true;
  }
  auto first = verifier(SecretRole::first_half, half1);
  auto second = verifier(SecretRole::second_half, half2);
  const auto expires = now + context.policy().credential.provisional_validity;
  Provisional halves;
  halves.expires = expires;
  halves.first =
      ProvisionalHalf{must(co_await first, "asking the HSM for a verifier"), Medium::sms, expires, now};
  halves.second =
      ProvisionalHalf{must(co_await second, "asking the HSM for a verifier"), Medium::post, expires, now};
  record.state = halves;
  co_return true;
}

// `work(i)` for every i below `count`, kFlows of them at the same time, on the deciders.
template <class Work>
class Flows {
 public:
  Flows(std::size_t count, Work work) : count_(count), work_(std::move(work)), made_(kFlows) {
    const auto finished = [this](bool) { made_.count_down(); };
    for (std::uint64_t first = 0; first < kFlows; ++first) base::start(some(first), finished);
  }
  void wait() { made_.wait(); }

 private:
  base::Task<bool> some(std::uint64_t first) {
    for (auto i = first; i < count_; i += kFlows) co_await work_(i);
    co_return true;
  }
  const std::size_t count_;
  const Work work_;
  std::latch made_;
};

// Everybody's number, in the order in which they are written.
std::vector<std::uint64_t> order_of(const Context& context, const Plan& plan) {
  std::vector<std::uint64_t> out(plan.total() - plan.done);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = plan.done + i;
  if (!plan.in_order) return out;
  std::vector<std::pair<SubjectIndex, std::uint64_t>> rows(out.size());
  const auto look = [&](std::size_t i) -> base::Task<bool> {
    rows[i] = {co_await index_of(context, out[i]), out[i]};
    co_return true;
  };
  Flows(rows.size(), look).wait();
  std::ranges::sort(rows);
  std::ranges::transform(rows, out.begin(), [](const auto& row) { return row.second; });
  return out;
}

sealed_store::Event event(const Context& context, EventKind kind, const Person& person) {
  sealed_store::Event out;
  out.time = context.now();
  out.kind = static_cast<std::uint16_t>(kind);
  out.subject = person.index;
  out.channel = "portal:portal";
  out.reference = to_text(person.record.credential);
  return out;
}

void commit(const Context& context, const std::vector<Person>& people) {
  Changes changes;
  for (const auto& person : people) {
    changes.events.push_back(event(context, EventKind::requested, person));
    if (std::holds_alternative<Definitive>(person.record.state))
      changes.events.push_back(event(context, EventKind::activated, person));
    changes.puts.push_back(put_subject(context, person.index, person.record));
  }
  must(base::sync_wait(context.store.commit(std::move(changes))), "committing");
}

void fill(const std::string& config_file, const Plan& plan) {
  auto loaded = load_config(config_file);
  if (const auto* error = std::get_if<ConfigError>(&loaded)) give_up(error->message);
  const base::SystemClock clock;
  const auto& config = std::get<Config>(loaded);
  const auto token_pin = must(read_pin_file(config.hsm.pin_file), "reading the token's PIN");
  auto assembly = must(Assembly::open(config, token_pin, clock), "opening the appliance");
  const auto& context = static_cast<Engine&>(assembly->service()).context();
  const auto began = std::chrono::steady_clock::now();
  const auto order = order_of(context, plan);
  std::vector<Person> people, next;
  for (std::size_t done = 0; done < order.size() || !people.empty();) {
    // The HSM makes the next ones while the store takes those that are made.
    next = std::vector<Person>(std::min<std::size_t>(kAtOnce, order.size() - done));
    const auto make = [&](std::size_t i) { return make_person(context, plan, order[done + i], next[i]); };
    Flows flows(next.size(), make);
    if (!people.empty()) commit(context, people);
    flows.wait();
    done += next.size();
    people = std::move(next);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::fprintf(stderr, "bench_fill: %zu of %zu people, %.0f s\n", done, order.size(), took.count());
  }
  assembly.reset();
}

// {SSHA}: what slapd 2.5 hashes with unless told otherwise.
std::string salted_sha1(std::string_view password) {
  std::array<unsigned char, SHA_DIGEST_LENGTH + 8> out{};
  auto* const salt = out.data() + SHA_DIGEST_LENGTH;
  if (RAND_bytes(salt, 8) != 1) give_up("no random bytes");
  std::array<unsigned char, people::kPinLength + 8> input{};
  std::copy(password.begin(), password.end(), input.begin());
  std::copy_n(salt, 8, input.begin() + people::kPinLength);
  SHA1(input.data(), input.size(), out.data());
  std::array<unsigned char, 64> text{};
  const int size = EVP_EncodeBlock(text.data(), out.data(), out.size());
  return "{SSHA}" + std::string(reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(size));
}

void write_ldif(const std::string& file, const Plan& plan) {
  std::ofstream out(file);
  out << "dn: dc=bench\nobjectClass: dcObject\nobjectClass: organization\no: bench\ndc: bench\n\n"
         "dn: ou=people,dc=bench\nobjectClass: organizationalUnit\nou: people\n\n"
         "dn: cn=policy,dc=bench\nobjectClass: device\nobjectClass: pwdPolicy\ncn: policy\n"
         "pwdAttribute: userPassword\npwdLockout: TRUE\npwdMaxFailure: 10\npwdLockoutDuration: 3600\n\n";
  for (std::uint64_t n = 0; n < plan.total(); ++n) {
    const auto code = people::code_of(n);
    const auto name = people::text(code);
    const auto number = std::to_string(10'000'000 + n);
    const auto pin = people::pin_of(plan.seed, n, people::Secret::definitive);
    out << "dn: uid=" << name << ",ou=people,dc=bench\nobjectClass: inetOrgPerson\nuid: " << name
        << "\ncn: Mario Rossi\nsn: Rossi\nmobile: +3933" << number << "\nmail: c" << number
        << "@example.it\nuserPassword: " << salted_sha1(people::text(pin)) << "\n\n";
  }
  if (!out.flush()) give_up("writing " + file + " failed");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Makes the bench's people subjects of an appliance, or entries of a directory.", "bench_fill"};
  std::string config, ldif;
  Plan plan;
  app.add_option("config", config, "the appliance's sigillo.toml; it must not be running");
  app.add_option("--ldif", ldif, "write the people as LDIF into this file instead");
  app.add_option("--active", plan.active, "people with a definitive PIN")->capture_default_str();
  app.add_option("--provisional", plan.provisional, "people with two halves, after those");
  app.add_option("--done", plan.done, "people that are there already");
  app.add_option("--seed", plan.seed)->capture_default_str();
  app.add_flag("--in-order", plan.in_order, "in the order of their rows, as nobody comes");
  CLI11_PARSE(app, argc, argv);
  if (ldif.empty() == config.empty()) give_up("either CONFIG or --ldif FILE. See --help.");
  ldif.empty() ? fill(config, plan) : write_ldif(ldif, plan);
  std::_Exit(0);
}
