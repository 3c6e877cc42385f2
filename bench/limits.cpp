// bench_limits: what this machine can do at all, without the appliance: SoftHSM2's bare HMACs and SQLCipher's
// bare grouped appends. One line of JSON.
//   bench_limits CONFIG FOLDER [SECONDS]
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>

#include <appliance/assembly.hpp>
#include <appliance/config.hpp>

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

double hmac_rate(const std::string& config_file, double seconds) {
  auto loaded = appliance::load_config(config_file);
  const auto* config = std::get_if<appliance::Config>(&loaded);
  if (config == nullptr) {
    std::fprintf(stderr, "bench_limits: %s cannot be read\n", config_file.c_str());
    std::_Exit(1);
  }
  auto token = must(appliance::open_token(config->hsm));
  const auto key = must(token->find_key({appliance::KeyLabels::verifier, 1}));
  const base::Bytes message(67, 7);  // as long as a verifier's
  return rate(seconds, 1, [&] { must(token->hmac(key, message)); });
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
  const double seconds = argc > 3 ? std::stod(argv[3]) : 3;
  const double hmac = hmac_rate(argv[1], seconds);
  const double alone = append_rate(argv[2], 1, seconds);
  const double group32 = append_rate(argv[2], 32, seconds);
  const double group64 = append_rate(argv[2], 64, seconds);
  const double group256 = append_rate(argv[2], 256, seconds);
  std::printf(
      "{\"hmac_per_second\":%.0f,\"appends_alone_per_second\":%.0f,\"appends_by_32_per_second\":%.0f,"
      "\"appends_by_64_per_second\":%.0f,\"appends_by_256_per_second\":%.0f}\n",
      hmac, alone, group32, group64, group256);
  std::fflush(stdout);
  std::_Exit(0);
}
