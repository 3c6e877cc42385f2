// What a verification asks of the HSM, on SoftHSM2: one HMAC bare, and the two of it, blind index and
// verifier, one after the other through the appliance's own dispatcher.
#include <benchmark/benchmark.h>

#include <hsm/dispatcher.hpp>
#include <support/softhsm_fixture.hpp>

namespace {

using namespace sigillo;

hsm::KeyRef key() {
  static const auto made =
      testing::softhsm_token().generate_key({"sigillo.bench", 1}, hsm::KeyType::hmac_sha256);
  if (!made) std::abort();
  return *made;
}

void hmac(benchmark::State& state) {
  const auto with = key();
  const base::Bytes message(67, 7);
  for ([[maybe_unused]] auto _ : state)
    benchmark::DoNotOptimize(testing::softhsm_token().hmac(with, message));
}
BENCHMARK(hmac)->UseRealTime();

base::Task<bool> two_calls(hsm::Dispatcher& dispatcher, hsm::KeyRef with) {
  const auto index = co_await dispatcher.hmac(with, base::Secret(base::Bytes(30, 7)));
  if (!index) co_return false;
  const auto verifier = co_await dispatcher.hmac(with, base::Secret(base::ByteView(*index)));
  co_return static_cast<bool>(verifier);
}

void blind_index_and_verifier(benchmark::State& state) {
  const auto with = key();
  hsm::Dispatcher dispatcher(testing::softhsm_token(), {});
  for ([[maybe_unused]] auto _ : state) {
    if (!base::sync_wait(two_calls(dispatcher, with))) state.SkipWithError("the token refused a call");
  }
}
BENCHMARK(blind_index_and_verifier)->UseRealTime();

}  // namespace
