// bench_limits: what this machine can do at all, without the appliance: SoftHSM2's bare HMACs, the two of a
// verification made through the appliance's own dispatcher, heads written as into an anchor's cells, and
// SQLCipher's bare grouped appends. One line of JSON.
//   bench_limits CONFIG FOLDER [SECONDS]
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <latch>
#include <string>
#include <thread>

#include <appliance/assembly.hpp>
#include <appliance/config.hpp>
#include <hsm/dispatcher.hpp>
#include <hsm/profile.hpp>

#include "database.hpp"

namespace {

using namespace sigillo;
using Clock = std::chrono::steady_clock;

template <class T>
T must(base::Result<T> result) {
  if (result) return std::move(result).value();
  std::fprintf(stderr, "bench_limits: %s (%lu)\n", result.error().detail(), result.error().raw());
  std::_Exit(1);
}
void must(const base::Result<void>& result) {
  if (result) return;
  std::fprintf(stderr, "bench_limits: %s\n", result.error().detail());
  std::_Exit(1);
}

// How often a second `once` runs, times what it does each time.
template <class F>
double rate(double seconds, double each, F once) {
  const auto began = Clock::now();
  std::uint64_t count = 0;
  double took = 0;
  while (took < seconds) {
    once();
    ++count;
    took = std::chrono::duration<double>(Clock::now() - began).count();
  }
  return static_cast<double>(count) * each / took;
}

constexpr std::size_t kIndexBytes = 30,
                      kVerifierBytes = 67;  // of what the two HMACs of a verification are over

double hmac_rate(hsm::Token& token, hsm::KeyRef key, double seconds) {
  const base::Bytes message(kVerifierBytes, 7);
  return rate(seconds, 1, [&] { must(token.hmac(key, message)); });
}

base::Task<std::uint64_t> pairs(hsm::Dispatcher& dispatcher, hsm::KeyRef index, hsm::KeyRef verifier,
                                const std::atomic<bool>& over) {
  std::uint64_t made = 0;
  for (; !over; ++made) {
    must(co_await dispatcher.hmac(index, base::Secret(base::Bytes(kIndexBytes, 7))));
    must(co_await dispatcher.hmac(verifier, base::Secret(base::Bytes(kVerifierBytes, 7))));
  }
  co_return made;
}

// What 64 verifications at once would reach if they were their HSM calls and nothing else.
double pair_rate(const appliance::HsmConfig& config, hsm::Token& token, hsm::KeyRef index,
                 hsm::KeyRef verifier, double seconds) {
  constexpr int kAtOnce = 64;
  const auto& profile = hsm::profile_of_module(config.module);
  hsm::Dispatcher dispatcher(token,
                             {.workers = hsm::workers_of(profile, config.sessions, token.parallelism())});
  std::atomic<bool> over = false;
  std::atomic<std::uint64_t> made = 0;
  std::latch ended(kAtOnce);
  const auto done = [&](std::uint64_t count) {
    made += count;
    ended.count_down();
  };
  const auto began = Clock::now();
  for (int i = 0; i < kAtOnce; ++i) base::start(pairs(dispatcher, index, verifier, over), done);
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  over = true;
  ended.wait();
  return static_cast<double>(made) / std::chrono::duration<double>(Clock::now() - began).count();
}

// A new data object of an anchor's size made, the one before destroyed.
double anchor_rate(hsm::Token& token, double seconds) {
  constexpr const char* kLabel = "sigillo.bench";
  for (const auto& left : must(token.list_data(kLabel))) must(token.destroy_data(left.handle));
  base::Bytes value(77, 7);
  const auto anchor = must(token.create_data(kLabel, value));
  const auto cell = must(token.create_rewritable_data(kLabel, value));
  const double out = rate(seconds, 1, [&] {
    ++value[0];
    must(token.rewrite_data(cell, value));
    must(token.read_data(anchor));
    must(token.read_data(cell));
  });
  must(token.destroy_data(cell));
  must(token.destroy_data(anchor));
  return out;
}

// Rows of a ledger entry's size, `group` to a commit with synchronous=FULL.
double append_rate(const std::string& folder, std::size_t group, double seconds) {
  using sealed_store::Database;
  const std::string path = folder + "/limits.db";
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
  base::Secret key(32);
  key.writable()[0] = 1;
  double out = 0;
  {
    auto db = must(Database::open(path, key, Database::Access::create));
    must(db.run("CREATE TABLE ledger(seq INTEGER PRIMARY KEY, entry BLOB NOT NULL, hash BLOB NOT NULL)"));
    auto append = must(db.prepare("INSERT INTO ledger VALUES(?,?,?)"));
    base::Bytes entry(110, 3), hash(32, 5);
    std::int64_t seq = 0;
    out = rate(seconds, static_cast<double>(group), [&] {
      auto transaction = must(sealed_store::Transaction::begin(db));
      for (std::size_t i = 0; i < group; ++i) must(append.run(++seq, entry, hash));
      must(transaction.commit());
    });
  }
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("bench_limits CONFIG FOLDER [SECONDS]\n", stderr);
    return 1;
  }
  const double seconds = argc > 3 ? std::stod(argv[3]) : 2;
  auto loaded = appliance::load_config(argv[1]);
  const auto* config = std::get_if<appliance::Config>(&loaded);
  if (config == nullptr) {
    std::fprintf(stderr, "bench_limits: %s cannot be read\n", argv[1]);
    return 1;
  }
  auto token = must(appliance::open_token(config->hsm));
  const auto index = must(token->find_key({appliance::KeyLabels::index, 1}));
  const auto verifier = must(token->find_key({appliance::KeyLabels::verifier, 1}));
  std::printf("{\"hmac_per_second\":%.0f", hmac_rate(*token, verifier, seconds));
  std::printf(",\"pairs_by_dispatcher_per_second\":%.0f",
              pair_rate(config->hsm, *token, index, verifier, seconds));
  std::printf(",\"anchor_writes_per_second\":%.0f", anchor_rate(*token, seconds));
  std::printf(",\"appends_alone_per_second\":%.0f", append_rate(argv[2], 1, seconds));
  for (const std::size_t group : {32U, 64U, 256U})
    std::printf(",\"appends_by_%zu_per_second\":%.0f", group, append_rate(argv[2], group, seconds));
  std::puts("}");
  std::fflush(stdout);
  std::_Exit(0);
}
