// What a verification costs in the store: a row's read with its freshness and without, cold and hot; sealing
// and opening; fingerprints; ledger entries; a start with its checks and without.
#include <benchmark/benchmark.h>

#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include <sealed_store/ledger_entry.hpp>
#include <sealed_store/record_sealer.hpp>
#include <sealed_store/sqlcipher_store.hpp>

#include "ledger_row.hpp"
#include "no_witness.hpp"
#include "record_rows.hpp"
#include "schema.hpp"

namespace {

using namespace sigillo;
using namespace sigillo::sealed_store;

constexpr std::size_t kRecordBytes = 376;
// As many rows to a bucket as a million subjects have, in a sixteenth of the buckets.
constexpr std::uint32_t kRows = 62'500, kBucketsUsed = 4096;

template <class T>
T must(base::Result<T> result) {
  if (result) return std::move(result).value();
  std::fprintf(stderr, "bench_micro: %s\n", result.error().detail());
  std::_Exit(1);
}
void must(const base::Result<void>& result) {
  if (result) return;
  std::fprintf(stderr, "bench_micro: %s\n", result.error().detail());
  std::_Exit(1);
}

RecordKey key_of(std::uint32_t n) {
  RecordKey key{1, {}};
  base::Bytes name;
  base::append_be(name, n);
  const auto digest = base::sha256({name});
  std::copy_n(digest.begin(), key.id.size(), key.id.begin());
  const auto bucket = static_cast<std::uint16_t>(n % kBucketsUsed * 16);
  key.id[0] = static_cast<base::Byte>(bucket >> 8);
  key.id[1] = static_cast<base::Byte>(bucket);
  return key;
}
Event event(std::uint32_t n) {
  Event out;
  out.time = {1'800'000'000'000};
  out.kind = 100;
  out.subject = key_of(n).id;
  out.channel = "portal:portal";
  out.reference = "verifications";
  return out;
}

// A filled file in a folder of its own, which goes when the process leaves.
class Filled {
 public:
  static Filled& instance() {
    static Filled filled;
    return filled;
  }
  std::unique_ptr<Store> open() { return must(SqlCipherStore::open(options_, keys(), witness_)); }
  const std::string& path() const { return options_.path; }
  static StoreKeys keys() {
    StoreKeys out{base::Secret(32), base::Secret(32)};
    out.page_key.writable()[0] = 1;
    out.fresh_key.writable()[0] = 2;
    return out;
  }
  static void remove() { std::filesystem::remove_all(folder()); }

 private:
  static std::filesystem::path folder() {
    return std::filesystem::temp_directory_path() / ("bench_micro." + std::to_string(::getpid()));
  }
  Filled() {
    std::filesystem::create_directory(folder());
    std::at_quick_exit(remove);
    options_.path = folder() / "store.db";
    must(SqlCipherStore::create(options_, keys()));
    const auto store = open();
    constexpr std::uint32_t kAtOnce = 5000;
    for (std::uint32_t n = 0; n < kRows; n += kAtOnce) {
      Changes changes;
      for (auto i = n; i < std::min(kRows, n + kAtOnce); ++i) {
        changes.events.push_back(event(i));
        changes.puts.push_back({key_of(i), base::Bytes(kRecordBytes, static_cast<base::Byte>(i)), 0, {}});
      }
      must(base::sync_wait(store->commit(std::move(changes))));
    }
  }
  StoreOptions options_;
  NoWitness witness_;
};

std::uint32_t scattered(std::uint32_t n, std::uint32_t below) {
  return static_cast<std::uint32_t>(std::uint64_t{n} * 2654435761U % below);
}

void row_read_cold(benchmark::State& state) {
  const auto store = Filled::instance().open();
  std::uint32_t n = 0;  // another bucket each time
  for ([[maybe_unused]] auto _ : state)
    benchmark::DoNotOptimize(must(store->read(key_of(scattered(n++, kBucketsUsed)))));
}
BENCHMARK(row_read_cold)->Iterations(kBucketsUsed);

void row_read_hot(benchmark::State& state) {
  const auto store = Filled::instance().open();
  for (std::uint32_t n = 0; n < kRows; ++n) must(store->read(key_of(n)));
  std::uint32_t n = 0;
  for ([[maybe_unused]] auto _ : state)
    benchmark::DoNotOptimize(must(store->read(key_of(scattered(n++, kRows)))));
}
BENCHMARK(row_read_hot);

// The same row from the same file, and nothing asked but SQLCipher; each in a transaction of its own, where
// the store's readers stay in one.
void row_select_hot(benchmark::State& state) {
  Filled::instance().open();
  auto db = must(Database::open(Filled::instance().path(), Filled::keys().page_key, Database::Access::read));
  auto rows = must(RowQueries::prepare(db));
  for (std::uint32_t n = 0; n < kRows; ++n) must(rows.row(key_of(n)));
  std::uint32_t n = 0;
  for ([[maybe_unused]] auto _ : state)
    benchmark::DoNotOptimize(must(rows.row(key_of(scattered(n++, kRows)))));
}
BENCHMARK(row_select_hot);

void row_fingerprint(benchmark::State& state) {
  const Prf prf(Filled::keys().fresh_key.clone());
  const base::Bytes row(kRecordBytes, 7);
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(prf.row(key_of(7), 0, 0, row));
}
BENCHMARK(row_fingerprint);

void set_hash_of_a_bucket(benchmark::State& state) {
  const Prf prf(Filled::keys().fresh_key.clone());
  Lanes set;
  set.lane = {1, 2, 3, 4};
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(prf.bucket(7, set));
}
BENCHMARK(set_hash_of_a_bucket);

void record_seal(benchmark::State& state) {
  std::map<std::uint16_t, base::Secret> keys;
  keys.emplace(std::uint16_t{1}, base::Secret(32));
  const RecordSealer sealer(std::move(keys));
  const base::Bytes plain(kRecordBytes - 31, 7);
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(sealer.seal(key_of(7), plain));
}
BENCHMARK(record_seal);

void record_open(benchmark::State& state) {
  std::map<std::uint16_t, base::Secret> keys;
  keys.emplace(std::uint16_t{1}, base::Secret(32));
  const RecordSealer sealer(std::move(keys));
  const auto sealed = sealer.seal(key_of(7), base::Bytes(kRecordBytes - 31, 7));
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(must(sealer.open(key_of(7), sealed)));
}
BENCHMARK(record_open);

void ledger_entry_pack_and_hash(benchmark::State& state) {
  LedgerEntry entry{.seq = 1'000'000, .node = 1, .event = event(7)};
  entry.event.guard.emplace(GuardKey{entry.event.subject, 1}, GuardValue{1, 0, entry.event.time});
  for ([[maybe_unused]] auto _ : state) {
    entry.hash = chain_hash(entry.hash, entry);
    benchmark::DoNotOptimize(pack_row(entry));
  }
}
BENCHMARK(ledger_entry_pack_and_hash);

// Durable: 64 events in one commit of the store, its sync with it.
void ledger_commit_of_64(benchmark::State& state) {
  const auto store = Filled::instance().open();
  for ([[maybe_unused]] auto _ : state) {
    Changes changes;
    for (std::uint32_t n = 0; n < 64; ++n) changes.events.push_back(event(n));
    must(base::sync_wait(store->commit(std::move(changes))));
  }
}
BENCHMARK(ledger_commit_of_64)->UseRealTime();

void store_open(benchmark::State& state) {
  for ([[maybe_unused]] auto _ : state) {
    auto store = Filled::instance().open();
    state.PauseTiming();
    store.reset();
    state.ResumeTiming();
  }
}
BENCHMARK(store_open)->UseRealTime()->Iterations(10);

void file_open(benchmark::State& state) {
  Filled::instance().open();
  for ([[maybe_unused]] auto _ : state) {
    auto db =
        must(Database::open(Filled::instance().path(), Filled::keys().page_key, Database::Access::read));
    must(check_schema(db));
  }
}
BENCHMARK(file_open)->UseRealTime()->Iterations(10);

}  // namespace
