// bench_load: puts load on an appliance, or on the peer it is compared with, and says in one line of JSON
// what came of it.
#include <CLI/CLI.hpp>

#include <cstdio>

#include "load_run.hpp"

namespace {

using namespace sigillo::bench;

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c < ' ' || c > '~' ? ' ' : c;
  }
  return out + '"';
}

void print(const Target& target, const Plan& plan, const Outcome& outcome) {
  const auto us = [&](double quantile) { return static_cast<double>(outcome.latency.at(quantile)) / 1e3; };
  std::printf(
      "{\"mode\":\"%s\",\"connections\":%zu,\"rate_asked\":%.1f,\"seconds\":%.3f,\"answered\":%llu,"
      "\"per_second\":%.1f,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,"
      "\"generator_cpu_us\":%.2f,\"asked\":%llu,\"exhausted\":%s,\"unexpected\":%llu,\"sample\":%s}\n",
      target.mode.c_str(), plan.connections, plan.rate, outcome.seconds,
      static_cast<unsigned long long>(outcome.answered),
      outcome.seconds > 0 ? static_cast<double>(outcome.answered) / outcome.seconds : 0, us(0.5), us(0.9),
      us(0.99), us(0.999), static_cast<double>(outcome.latency.max()) / 1e3,
      outcome.answered > 0 ? outcome.cpu_s * 1e6 / static_cast<double>(outcome.answered) : 0,
      static_cast<unsigned long long>(outcome.asked), outcome.exhausted ? "true" : "false",
      static_cast<unsigned long long>(outcome.unexpected), quoted(outcome.sample).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Load for a bench: mutual TLS 1.3, keep-alive, HTTP/1.1; or LDAP binds.", "bench_load"};
  Peer peer;
  Target target;
  Plan plan;
  app.add_option("mode", target.mode,
                 "whoami, right, receipt, wrong, unknown, provisional, issue, activate, connect, ldap-right, "
                 "ldap-wrong")
      ->required();
  app.add_option("--port", peer.port)->required();
  app.add_option("--ca", peer.ca)->required();
  app.add_option("--cert", peer.certificate);
  app.add_option("--key", peer.key);
  app.add_option("--connections", plan.connections)->capture_default_str();
  app.add_option("--seconds", plan.seconds)->capture_default_str();
  app.add_option("--warm-up", plan.warm_up_s)->capture_default_str();
  app.add_option("--rate", plan.rate, "requests a second (open loop); 0 is a closed loop");
  app.add_option("--seed", target.seed)->capture_default_str();
  app.add_option("--active", target.active, "people with a definitive PIN");
  app.add_option("--provisional", target.provisional, "people with two halves, after those");
  app.add_option("--first", target.first, "where a walk over people begins");
  app.add_option("--run", target.run, "a number of this run, for its Idempotency-Keys");
  CLI11_PARSE(app, argc, argv);
  plan.reconnects = target.mode == "connect";
  const auto protocol = make_protocol(target);
  if (!protocol) {
    std::fprintf(stderr, "bench_load: %s is no mode. See --help.\n", target.mode.c_str());
    return 1;
  }
  const auto outcome = run(peer, *protocol, plan);
  print(target, plan, outcome);
  return outcome.unexpected == 0 ? 0 : 2;
}
