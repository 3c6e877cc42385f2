#include "metrics.hpp"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>

#include <base/histogram.hpp>

namespace sigillo::api {
namespace {

const prometheus::Histogram::BucketBoundaries kBuckets = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                                                          0.1,    0.25,  0.5,   1.0,   2.5,  5.0};

auto& counters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}
auto& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

prometheus::MetricType type_of(appliance::Reading::Kind kind) {
  switch (kind) {
    case appliance::Reading::Kind::counter:
      return prometheus::MetricType::Counter;
    case appliance::Reading::Kind::gauge:
      return prometheus::MetricType::Gauge;
    case appliance::Reading::Kind::histogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

// Readings of one name come one after the other, so the family is the last one or a new one.
void add(std::vector<prometheus::MetricFamily>& families, const appliance::Reading& reading) {
  if (families.empty() || families.back().name != reading.name)
    families.push_back({reading.name, reading.help, type_of(reading.kind), {}});
  prometheus::ClientMetric metric;
  if (!reading.channel.empty()) metric.label.push_back({"channel", reading.channel});
  if (*reading.label != '\0') metric.label.push_back({reading.label, reading.label_value});
  metric.counter.value = metric.gauge.value = reading.value;
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < reading.buckets.size(); ++i) {
    cumulative += reading.buckets[i];
    const bool last = i >= base::Histogram::kBounds.size();
    const double bound = last ? std::numeric_limits<double>::infinity() : base::Histogram::kBounds[i];
    metric.histogram.bucket.push_back({cumulative, bound});
  }
  metric.histogram.sample_count = cumulative;
  metric.histogram.sample_sum = reading.value;
  families.back().metric.push_back(std::move(metric));
}

}  // namespace

Metrics::Metrics()
    : requests_(counters(registry_, "sigillo_requests_total", "Requests answered, by route and status")),
      seconds_(prometheus::BuildHistogram()
                   .Name("sigillo_request_seconds")
                   .Help("Time from a request's header to its answer, by route")
                   .Register(registry_)),
      outages_(counters(registry_, "sigillo_outages_total", "Requests answered 503, by code")),
      turned_away_(counters(registry_, "sigillo_turned_away_total",
                            "Requests refused for their channel, role or quota, by code")),
      handshakes_(counters(registry_, "sigillo_tls_handshakes_total", "TLS handshakes, by how they ended")),
      handshakes_good_(handshakes_.Add({{"result", "good"}})),
      handshakes_failed_(handshakes_.Add({{"result", "failed"}})),
      refused_(counters(registry_, "sigillo_connections_refused_total", "Connections over a limit").Add({})),
      displaced_(counters(registry_, "sigillo_connections_displaced_total",
                          "Connections that said nothing and made room for a new one")
                     .Add({})),
      connections_(gauge(registry_, "sigillo_connections", "Open connections of channels")),
      answer_bytes_(gauge(registry_, "sigillo_answer_bytes_held",
                          "Of large answers that are made or not taken yet by their channels")),
      ready_(gauge(registry_, "sigillo_ready", "1 where /readyz answers 200")),
      pushes_(counters(registry_, "sigillo_checkpoint_pushes_total", "Checkpoints pushed, by how it ended")),
      push_failing_(gauge(registry_, "sigillo_checkpoint_push_failing", "1 where the last push failed")),
      routes_(routes().size() + 1) {
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    routes_[i].label = "none";
    if (i < routes().size()) {
      const Route& route = routes()[i];
      routes_[i].label = std::string(name(route.method)) + " " + std::string(route.pattern);
    }
    routes_[i].seconds = &seconds_.Add({{"route", routes_[i].label}}, kBuckets);
  }
}

void Metrics::request(const Route* route, std::uint16_t status, double seconds) {
  PerRoute& one =
      route == nullptr ? routes_.back() : routes_[static_cast<std::size_t>(route - routes().data())];
  one.seconds->Observe(seconds);
  const auto place = std::find(kStatuses.begin(), kStatuses.end(), status);
  if (place == kStatuses.end()) {
    requests_.Add({{"route", one.label}, {"status", std::to_string(status)}}).Increment();
    return;
  }
  auto& slot = one.by_status[static_cast<std::size_t>(place - kStatuses.begin())];
  auto* counter = slot.load(std::memory_order_acquire);
  if (counter == nullptr) {
    counter = &requests_.Add(
        {{"route", one.label}, {"status", std::to_string(status)}});  // the same one, whoever adds it
    slot.store(counter, std::memory_order_release);
  }
  counter->Increment();
}

void Metrics::outage(appliance::Outage outage) {
  outages_.Add({{"code", std::string(words(code_of(outage)).code)}}).Increment();
}

void Metrics::turned_away(Code code) {
  turned_away_.Add({{"code", std::string(words(code).code)}}).Increment();
}

void Metrics::checkpoint_pushed(bool good) {
  pushes_.Add({{"result", good ? "good" : "failed"}}).Increment();
  push_failing_.Set(good ? 0 : 1);
}

std::string Metrics::scrape(std::size_t connections, std::size_t answer_bytes, const Beside& beside) {
  answer_bytes_.Set(static_cast<double>(answer_bytes));
  connections_.Set(static_cast<double>(connections));
  ready_.Set(beside.readiness.ready ? 1 : 0);
  auto families = registry_.Collect();
  const auto gauge = appliance::Reading::Kind::gauge;
  for (const auto& reading : beside.readings) add(families, reading);
  for (const auto& reason : beside.readiness.reasons)
    add(families, {"sigillo_not_ready", "1 for each reason that /readyz gives", gauge, "reason", reason, 1});
  for (const auto& [which, ends] : beside.certificates) {
    add(families, {"sigillo_certificate_expiry_timestamp_seconds", "When the certificate ends", gauge,
                   "certificate", which, static_cast<double>(ends.ms) / 1000});
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace sigillo::api
