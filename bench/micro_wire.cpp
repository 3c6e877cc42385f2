// What a request costs between the socket and the service, and an answer on its way back.
#include <benchmark/benchmark.h>

#include <api/render.hpp>
#include <base/jwe.hpp>

#include "header_gate.hpp"
#include "json_gate.hpp"
#include "response.hpp"

namespace {

using namespace sigillo;

constexpr std::string_view kHeader =
    "POST /v1/verifications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    "Content-Length: 50\r\n\r\n";
constexpr std::string_view kBody = R"({"subject":"RSSMRA80A01H501U","pin":"ABCD2345"})";

void header_gate(benchmark::State& state) {
  for ([[maybe_unused]] auto _ : state) {
    api::HeadStore store;
    api::RequestHead head;
    benchmark::DoNotOptimize(api::read_head(kHeader, store, head));
  }
}
BENCHMARK(header_gate);

void json_gate(benchmark::State& state) {
  for ([[maybe_unused]] auto _ : state) {
    api::WipingArena arena;
    benchmark::DoNotOptimize(api::parse_json(kBody, arena));
  }
}
BENCHMARK(json_gate);

void answer_render(benchmark::State& state) {
  const appliance::Answer answer = appliance::Verified{
      "01JABCDEFGHJKMNPQRSTVWXYZ0",
      appliance::State::active,
      appliance::Level::ordinary,
      appliance::Presented::definitive,
      {appliance::Scope::portal_explore, appliance::Scope::profile_manage, appliance::Scope::records_read},
      false,
      base::Instant{1'800'000'000'000},
      {}};
  std::string bytes;
  for ([[maybe_unused]] auto _ : state) {
    const auto rendered = api::render(answer, "01JABCDEFGHJKMNPQRSTVWXYZ1");
    api::compose({.status = rendered.status,
                  .text_plain = false,
                  .close = false,
                  .body_too = true,
                  .request_id = "01JABCDEFGHJKMNPQRSTVWXYZ1",
                  .headers = "",
                  .body = rendered.body.expose_text()},
                 base::Instant{1'800'000'000'000}, bytes);
    benchmark::DoNotOptimize(bytes.data());
  }
}
BENCHMARK(answer_render);

void jwe_seal(benchmark::State& state) {
  const auto recipient = base::EcPrivateKey::generate().public_key();
  const base::Secret message(base::Bytes(400, 7));
  for ([[maybe_unused]] auto _ : state)
    benchmark::DoNotOptimize(base::seal_jwe(recipient, "courier-sms-v1", message));
}
BENCHMARK(jwe_seal);

}  // namespace
