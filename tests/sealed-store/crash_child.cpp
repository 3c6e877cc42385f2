// The process that crash_test kills: eight flows charge, settle and refund as fast as they can, and say each
// thing that was acknowledged on standard output: `C subject seq failures` and `R subject version`.
#include <cstdio>
#include <thread>

#include <unistd.h>

#include <sealed_store/reopenable_store.hpp>
#include <sealed_store/store_copy.hpp>

#include "file_witness.hpp"
#include "testing.hpp"

namespace sigillo::sealed_store::testing {
namespace {

void say(char what, std::uint32_t n, std::uint64_t a, unsigned b) {
  char line[64];
  const int size =
      std::snprintf(line, sizeof line, "%c %u %llu %u\n", what, n, static_cast<unsigned long long>(a), b);
  if (::write(STDOUT_FILENO, line, static_cast<std::size_t>(size)) != size) ::_exit(3);
}

base::Task<int> flow(Store& store, std::uint32_t n) {
  std::uint64_t version = 0;
  const auto before = read(store, n);
  if (!before.empty()) version = std::stoull(before);
  for (int i = 0;; ++i) {
    auto charge = charge_of(store, n);
    auto attempt = co_await store.charge(std::move(charge));
    if (!attempt) co_return 1;
    if (i % 5 == 4) {
      store.refund(std::move(*attempt), event(kRefund, n));
      Changes behind_it;
      behind_it.events.push_back(event(kChange, n));
      (void)co_await store.commit(std::move(behind_it));
      continue;
    }
    say('C', n, attempt->seq(), attempt->after().failures);
    Changes changes;
    changes.events.push_back(event(kSettle, n));
    changes.puts.push_back(put_of(n, std::to_string(++version)));
    const auto settled = co_await store.settle(std::move(*attempt), std::move(changes));
    if (!settled) co_return 1;
    say('R', n, version, 0);
  }
}

bool change_keys(ReopenableStore& store, const StoreOptions& with, StoreKeys& now, HeadWitness& witness) {
  auto next = now.page_key.expose()[0] == keys().page_key.expose()[0] ? next_keys() : keys();
  auto copy = StoreCopy::begin(with, now, next);
  if (!copy || !(*copy)->catch_up({}) || !(*copy)->verify()) return false;
  const auto exchange = [&]() -> ReopenableStore::Opened {
    SIGILLO_CHECK((*copy)->finish());
    return SqlCipherStore::open(with, {next.page_key.clone(), next.fresh_key.clone()}, witness);
  };
  const auto done = store.reopen(exchange);
  now = std::move(next);
  return static_cast<bool>(done);
}

}  // namespace
}  // namespace sigillo::sealed_store::testing

int main(int count, char** arguments) {
  using namespace sigillo::sealed_store;
  using namespace sigillo::sealed_store::testing;
  const std::string folder = arguments[1];
  FileWitness witness(folder + "/witness");
  auto with = options(folder + "/store.db");
  with.fold_every = 200;
  // `rekey`: the file changes its keys all the while, to and fro.
  const bool rekey = count > 2;
  auto now = opens_with(with.path, keys().page_key).value() ? keys() : next_keys();
  auto opened = SqlCipherStore::open(with, {now.page_key.clone(), now.fresh_key.clone()}, witness);
  if (!opened) {
    std::fprintf(stderr, "open: %u %s\n", opened.error().number(), opened.error().detail());
    return 2;
  }
  ReopenableStore store(std::move(*opened));
  const auto ended = [](int) { ::_exit(4); };
  for (std::uint32_t n = 0; n < 8; ++n) sigillo::base::start(flow(store, n), ended);
  while (rekey) {
    if (!change_keys(store, with, now, witness)) ::_exit(5);
  }
  for (;;) ::pause();
}
