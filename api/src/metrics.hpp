// Metrics in Prometheus' text form: requests by route and status, their time by route, connections,
// handshakes, outages. Labels are routes, statuses, codes and enrolled channels; never a subject, an operator
// or an identifier, so that what is scraped tells nothing of anybody. Counters are looked up once and kept: a
// request costs two atomic additions. Thread rule: any thread.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <api/problem.hpp>
#include <api/routes.hpp>
#include <appliance/service.hpp>

namespace sigillo::api {

class Metrics {
 public:
  Metrics();

  void request(const Route* route, std::uint16_t status,
               double seconds);  // no route: unknown path or unreadable
  void outage(appliance::Outage outage);
  void turned_away(Code code);
  void handshake(bool good) { (good ? handshakes_good_ : handshakes_failed_).Increment(); }
  void refused_connection() { refused_.Increment(); }
  void displaced_connection() { displaced_.Increment(); }
  void checkpoint_pushed(bool good);
  // What the appliance says of itself, and the days of the certificates, stand beside the server's own.
  struct Beside {
    appliance::Readiness readiness;
    std::vector<appliance::Reading> readings;
    std::vector<std::pair<std::string, base::Instant>> certificates;  // which, and when it ends
  };
  std::string scrape(std::size_t connections, std::size_t answer_bytes, const Beside& beside);

 private:
  static constexpr std::array<std::uint16_t, 15> kStatuses = {200, 201, 202, 400, 403, 404, 405, 409,
                                                              413, 415, 422, 429, 431, 500, 503};
  struct PerRoute {
    std::string label;
    prometheus::Histogram* seconds = nullptr;
    std::array<std::atomic<prometheus::Counter*>, kStatuses.size()> by_status{};
  };

  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Histogram>& seconds_;
  prometheus::Family<prometheus::Counter>& outages_;
  prometheus::Family<prometheus::Counter>& turned_away_;
  prometheus::Family<prometheus::Counter>& handshakes_;
  prometheus::Counter& handshakes_good_;
  prometheus::Counter& handshakes_failed_;
  prometheus::Counter& refused_;
  prometheus::Counter& displaced_;
  prometheus::Gauge& connections_;
  prometheus::Gauge& answer_bytes_;
  prometheus::Gauge& ready_;
  prometheus::Family<prometheus::Counter>& pushes_;
  prometheus::Gauge& push_failing_;
  std::vector<PerRoute> routes_;  // as in routes(), and one more for what has none
};

}  // namespace sigillo::api
