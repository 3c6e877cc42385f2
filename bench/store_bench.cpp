// store_bench: what the store costs, in numbers: grouped commits, start-up, bytes and memory a subject, a
// first read with its bucket check. Not a test.
//   store_bench [folder] [subjects] [ledger entries] [counters]
// Defaults: the working folder, 1,000,000 subjects, ten entries and one counter for each subject. A record
// has the size of a citizen's with a definitive PIN, all contacts and a health card; half of the ledger's
// entries have a counter's value, as charges do.
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <latch>
#include <string>

#include <sealed_store/sqlcipher_store.hpp>

#include "no_witness.hpp"

namespace {

using namespace sigillo;
using namespace sigillo::sealed_store;

constexpr std::size_t kRecordBytes = 376;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
std::size_t resident_mib() {
  std::ifstream status("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  status >> total >> resident;
  return resident * 4096 >> 20;
}

SubjectIndex subject(std::uint32_t n) {
  base::Bytes name;
  base::append_be(name, n);
  const auto digest = base::sha256({name});
  SubjectIndex out;
  std::copy_n(digest.begin(), out.size(), out.begin());
  return out;
}
Event event(std::uint16_t kind, std::uint32_t n) {
  Event out;
  out.time = {static_cast<std::int64_t>(now() * 1000)};
  out.kind = kind;
  out.subject = subject(n);
  out.channel = "portal:bench";
  return out;
}
template <class T>
void must(const base::Result<T>& result) {
  if (result) return;
  std::fprintf(stderr, "failed: %u %s\n", result.error().number(), result.error().detail());
  std::_Exit(1);
}
StoreKeys keys() {
  StoreKeys out{base::Secret(32), base::Secret(32)};
  out.page_key.writable()[0] = 1;
  out.fresh_key.writable()[0] = 2;
  return out;
}

// Charges, and settles with a record where asked, of subjects of its own.
base::Task<int> flow(Store& store, std::uint32_t from, std::uint32_t to, bool settles) {
  for (auto n = from; n < to; ++n) {
    const GuardKey key{subject(n), 1};
    Charge charge{key, store.guard(key), event(100, n), event(102, n)};
    auto attempt = co_await store.charge(std::move(charge));
    must(attempt);
    if (!settles) continue;
    Changes changes;
    changes.events.push_back(event(101, n));
    changes.puts.push_back({{1, subject(n)}, base::Bytes(kRecordBytes, static_cast<base::Byte>(n)), 0, {}});
    const auto settled = co_await store.settle(std::move(*attempt), std::move(changes));
    must(settled);
  }
  co_return 0;
}

double run_flows(Store& store, std::uint32_t from, std::uint32_t count, bool settles) {
  constexpr std::uint32_t kFlows = 64;
  std::latch done(kFlows);
  const auto finished = [&](int) { done.count_down(); };
  const double began = now();
  for (std::uint32_t i = 0; i < kFlows; ++i) {
    const auto first = from + count / kFlows * i;
    base::start(flow(store, first, first + count / kFlows, settles), finished);
  }
  done.wait();
  return now() - began;
}

void fill(Store& store, std::uint32_t subjects, std::uint32_t counters) {
  constexpr std::uint32_t kAtOnce = 2000;
  for (std::uint32_t n = 0; n < subjects; n += kAtOnce) {
    Changes changes;
    for (auto i = n; i < std::min(subjects, n + kAtOnce); ++i) {
      changes.events.push_back(event(103, i));
      if (i < counters) changes.events.back().guard.emplace(GuardKey{subject(i), 1}, GuardValue{1, 0, {1}});
      changes.puts.push_back({{1, subject(i)}, base::Bytes(kRecordBytes, static_cast<base::Byte>(i)), 0, {}});
    }
    const auto committed = base::sync_wait(store.commit(std::move(changes)));
    must(committed);
  }
}

// Charges and settles of verifications that were right: a count of one, and back to what it was.
void lengthen(Store& store, std::uint32_t subjects, std::uint64_t entries) {
  constexpr std::uint64_t kAtOnce = 2000;
  for (std::uint64_t n = 0; n < entries; n += kAtOnce) {
    Changes changes;
    for (auto i = n; i < std::min(entries, n + kAtOnce); ++i) {
      const auto who = static_cast<std::uint32_t>(i / 2 * 7919 % subjects);
      const GuardKey key{subject(who), 1};
      changes.events.push_back(event(i % 2 == 0 ? 100 : 101, who));
      changes.events.back().reference = i % 2 == 0 ? "verifications" : "";
      const auto before = store.guard(key);
      changes.events.back().guard.emplace(
          key, i % 2 == 0 ? GuardValue{static_cast<std::uint16_t>(before.failures + 1), 0, {1}} : before);
    }
    const auto committed = base::sync_wait(store.commit(std::move(changes)));
    must(committed);
  }
}

void first_reads(Store& store, std::uint32_t subjects) {
  constexpr std::uint32_t kFew = 1000;
  std::vector<double> took;
  for (std::uint32_t n = 0; n < kFew; ++n) {
    const double began = now();
    must(store.read({1, subject(n)}));
    took.push_back((now() - began) * 1e6);
  }
  std::ranges::sort(took);
  std::printf("first read, its bucket checked: median %.0f us, 99 %% %.0f us\n", took[kFew / 2],
              took[kFew * 99 / 100]);
  double began = now();
  for (std::uint32_t n = 0; n < subjects; ++n) must(store.read({1, subject(n)}));
  std::printf("first reads of all: %.1f us each\n", (now() - began) / subjects * 1e6);
  std::printf("memory: %zu MiB with every row's fingerprint\n", resident_mib());
  const auto again = std::min(subjects, 200'000U);
  began = now();
  for (std::uint32_t n = 0; n < again; ++n) must(store.read({1, subject(n * 31U % subjects)}));
  std::printf("reads after that: %.1f us each\n", (now() - began) / again * 1e6);
}

}  // namespace

int main(int count, char** arguments) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // each figure as soon as it is known
  StoreOptions options;
  options.path = std::string(count > 1 ? arguments[1] : ".") + "/store_bench.db";
  const auto subjects = static_cast<std::uint32_t>(count > 2 ? std::stoul(arguments[2]) : 1'000'000);
  const auto entries = count > 3 ? std::stoull(arguments[3]) : std::uint64_t{10} * subjects;
  const auto counters = static_cast<std::uint32_t>(count > 4 ? std::stoul(arguments[4]) : subjects);
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(options.path + suffix);
  NoWitness witness;
  must(SqlCipherStore::create(options, keys()));
  const auto open = [&] {
    auto opened = SqlCipherStore::open(options, keys(), witness);
    must(opened);
    return std::move(*opened);
  };
  auto store = open();
  constexpr std::uint32_t kCharges = 64'000;
  double took = run_flows(*store, 10'000'000, kCharges, false);
  std::printf("charges, 64 at once, small store: %.0f/s\n", kCharges / took);
  took = run_flows(*store, 20'000'000, kCharges / 4, true);
  std::printf("charge and settle with a record, small store: %.0f/s\n", kCharges / 4 / took);

  const auto size = [&] { return static_cast<double>(std::filesystem::file_size(options.path)); };
  const auto reopen = [&] {
    store.reset();
    store = open();
  };
  reopen();
  const auto before = size();
  double began = now();
  fill(*store, subjects, counters);
  std::printf("filling %u subjects: %.1f s\n", subjects, now() - began);
  reopen();  // the fold's rest is written by the next commits
  took = run_flows(*store, 0, std::min(subjects, kCharges / 4), true);
  std::printf("charge and settle, %u subjects, known ones: %.0f/s\n", subjects,
              std::min(subjects, kCharges / 4) / took);
  reopen();
  std::printf("file: %.0f bytes a subject, one ledger entry each and counters included\n",
              (size() - before) / subjects);
  const auto filled = size();
  began = now();
  lengthen(*store, subjects, entries);
  std::printf("%llu ledger entries: %.1f s\n", static_cast<unsigned long long>(entries), now() - began);
  store.reset();
  std::printf("file: %.0f bytes a ledger entry\n", (size() - filled) / static_cast<double>(entries));
  ::malloc_trim(0);
  const auto rss_closed = resident_mib();
  began = now();
  store = open();
  std::printf("start: %.2f s with %zu counters\n", now() - began, store->guards());
  std::printf("memory: %zu MiB closed, %zu MiB after start\n", rss_closed, resident_mib());
  first_reads(*store, subjects);
  return 0;
}
